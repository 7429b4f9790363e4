/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a port of a sandbox is to be reached on this host, as people write it, and the listening
 * socket for it, which is made by whoever asks, with the rights that they have. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/**
 * BerthPortPlace:
 * @path: (nullable): of a Unix socket
 * @address: (nullable): of TCP: an address in numbers; NULL where none was given: 127.0.0.1
 * @local: of TCP: the port here; 0: none was given: a free one
 * @port: the sandbox's; 1 to 65535
 */
typedef struct
{
  char *path;
  char *address;
  guint local;
  guint port;
} BerthPortPlace;

/* Of "[[ADDRESS:]LOCAL:]PORT" or "unix:PATH:PORT"; an address of IPv6 stands in brackets. Fails
 * with BERTH_ERROR_INVALID. */
BerthPortPlace *berth_port_place_parse (const char *text, GError **error);
void berth_port_place_free (BerthPortPlace *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthPortPlace, berth_port_place_free)
/* Whether a published port, by its @port and @address as berth_port_dup_address() has it, is what
 * is meant: what was not given is any. */
gboolean berth_port_place_matches (const BerthPortPlace *self, guint port, const char *address);

/* (transfer full): a socket that listens there; -1 with BERTH_ERROR_LOCAL. The socket of a Unix
 * path where nobody listens any more is replaced. */
int berth_port_place_listen (const BerthPortPlace *self, GError **error);

/* (transfer full): where a listening socket is reached: "127.0.0.1:8080", "[::1]:8080",
 * "unix:PATH";
 * "" where it has no name */
char *berth_port_dup_address (int fd);

/**
 * BerthListeners:
 *
 * Listening sockets and the ports of the sandbox that they are for, as they come in a call.
 */
typedef struct
{
  int fd; /* owned; -1: taken */
  guint port;
} BerthListener;
/* (transfer full): of BerthListener, whose sockets are closed with it */
GArray *berth_listeners_new (void);

/* Makes the listening sockets of @texts (NULL-terminated), puts them into @fds, and tells what the
 * option "ports" is: a(hu), floating; NULL with an error. *@out_told: (out): aa{sv}, floating:
 * "port" and "address" of each. Nothing is left of them on failure. */
GVariant *berth_port_listen_all (const char *const *texts, GUnixFDList *fds, GVariant **out_told,
                                 GError **error);

G_END_DECLS
