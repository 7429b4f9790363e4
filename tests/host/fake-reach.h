/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What VMs that are none are connected to: a test asks for their programs. */
#pragma once

#include "plugin/host/berth-host.h"

void fake_reach_init (BerthHostInterface *iface);

/* A connection that a program asked for */
typedef struct
{
  gboolean is_refused;
  BerthLinkReason reason;
  int fd; /* -1, or what it was connected to */
  BerthLinkMeter *meter;
  GTask *task; /* (nullable): while that is open */
} FakeLink;

/* A program of @vm asks, which may reach something. Not owned: until fake_reach_free(). */
FakeLink *fake_reach_ask (BerthVm *vm, const char *name, guint16 port);
/* What it was told last, '|' between them */
const char *fake_reach_get_rules (BerthVm *vm);
void fake_reach_refuse (BerthVm *vm, const char *name, guint16 port);
/* It ended by itself, after so many bytes. */
void fake_reach_end (FakeLink *link, guint64 sent_bytes, guint64 received_bytes);
void fake_reach_free (FakeLink *link);
/* @vm has ended: nobody in it asks any more. */
void fake_reach_forget (BerthVm *vm);
