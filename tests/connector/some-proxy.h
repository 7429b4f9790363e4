/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A proxy on the loopback that serves one connection, and says "hello" behind its yes. */
#pragma once

#include <gio/gio.h>

typedef struct
{
  int listener;
  guint16 port;
  const char *reply; /* of HTTP, before its empty line; NULL: it speaks SOCKS 5 */
  GThread *thread;
  GString *asked; /* what it was asked, once it is joined */
} SomeProxy;

/* @reply: "" and it says nothing for as long as it is asked. */
SomeProxy *some_proxy_new (const char *reply);
/* Waits until its connection is over. */
void some_proxy_join (SomeProxy *self);
void some_proxy_free (SomeProxy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SomeProxy, some_proxy_free)
