/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the manager's files share. */
#pragma once

#include "plugin/snapshot/berth-snapshot-keeper.h"
#include "plugin/manager/berth-manager.h"
#include "plugin/manager/berth-metrics.h"
#include "plugin/manager/berth-ports.h"
#include "plugin/manager/berth-pressure.h"
#include "plugin/manager/berth-sandbox.h"
#include "plugin/manager/berth-tombstones.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-pool.h"

G_BEGIN_DECLS

struct _BerthManager
{
  GObject parent;
  BerthConfig *config;
  GHashTable *templates;      /* name -> BerthTemplate */
  GPtrArray *template_errors; /* GError: files that were left out */
  BerthHost *host;
  BerthPool *pool;
  BerthSnapshotKeeper *keeper;
  BerthPressure pressure;
  guint pressure_id;
  gboolean is_started;   /* before, the host's state is what start looks at itself */
  GHashTable *sandboxes; /* id (borrowed from value) -> BerthSandbox (owned) */
  GHashTable *captures;  /* uid -> how many of its commands have their output kept */
  BerthTombstones *tombstones;
  BerthMetrics *metrics;
  BerthPorts *ports;
};

/* BERTH_ERROR_INVALID: which templates there are */
void berth_manager_set_no_template_error (BerthManager *self, const char *name, GError **error);
/* A claimed VM becomes a sandbox of @uid. */
BerthSandbox *berth_manager_add_sandbox (BerthManager *self, BerthVm *vm, BerthRequest *request);
/* Takes a sandbox out of use; what still wants it hears @reason. */
void berth_manager_bury (BerthManager *self, BerthSandbox *sandbox, const char *reason);
/* Publishes each of @listeners ((nullable): of BerthListener), which it takes out of there. */
gboolean berth_manager_publish (BerthManager *self, BerthSandbox *sandbox, GArray *listeners,
                                GError **error);
/* When a new sandbox is paused, and how long it waits to be woken. */
void
berth_manager_set_pauses (BerthManager *self, BerthSandbox *sandbox, const BerthRequest *request);
/* (nullable): the sandbox, if @uid may use it */
BerthSandbox *berth_manager_find (BerthManager *self, const char *id, guint32 uid, GError **error);

G_END_DECLS
