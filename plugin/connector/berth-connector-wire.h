/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What berthd and its connector tell each other: packets of a Unix socket (SOCK_SEQPACKET), a byte
 * that says which and a GVariant. Neither takes the other's on trust. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_CONNECTOR_VERSION 4u
#define BERTH_CONNECTOR_PACKET_MAX (128u * 1024u)
#define BERTH_CONNECTOR_DIALS_MAX 2048u    /* under way */
#define BERTH_CONNECTOR_DIALS_OF_USER 512u /* a quarter, and two sandboxes' */
#define BERTH_CONNECTOR_TEXT_MAX 300u      /* bytes of a text */

/* Numbers of users that no account has, nor systemd or a container of its making: this, and that of
 * the process */
#define BERTH_CONNECTOR_OWN_UID 2000000000u
#define BERTH_CONNECTOR_OWN_UIDS 4194304u /* the most processes that there are */

/* Of berth_closer_close(): what was handed over in vain is no user's, and keeps nobody's
 * descriptors from being closed. */
#define BERTH_CONNECTOR_LINE G_MAXUINT32

/**
 * BerthConnectorPacket:
 * @BERTH_CONNECTOR_SETTINGS: to the connector, first and once: BERTH_CONNECTOR_VERSION,
 *   milliseconds for a connection
 * @BERTH_CONNECTOR_DIAL: to the connector: a number, a name, a port, a #BerthConnectorAsker,
 *   networks that are denied, those that are not public and allowed, the URI of a proxy or ""
 * @BERTH_CONNECTOR_VERDICT: of the connector: a number, a #BerthConnectorVerdict, the address, what
 *   came of it in words; with the connected socket where there is one
 *
 * Packets.
 */
typedef enum
{
  BERTH_CONNECTOR_SETTINGS = 1,
  BERTH_CONNECTOR_DIAL = 2,
  BERTH_CONNECTOR_VERDICT = 3,
} BerthConnectorPacket;

#define BERTH_CONNECTOR_SETTINGS_TYPE "(uu)"
#define BERTH_CONNECTOR_DIAL_TYPE "(usquuasass)"
#define BERTH_CONNECTOR_VERDICT_TYPE "(uuss)"

/**
 * BerthConnectorAsker:
 * @sandbox: a number of one sandbox
 * @uid: the user whose it is
 *
 * For whom a connection is made: neither has the places of others.
 */
typedef struct
{
  guint32 sandbox;
  guint32 uid;
} BerthConnectorAsker;

/**
 * BerthConnectorVerdict:
 * @BERTH_CONNECTOR_CONNECTED: the socket comes along
 * @BERTH_CONNECTOR_NO_NAME: the name has no address
 * @BERTH_CONNECTOR_DENIED: it has none that a sandbox may be connected to
 * @BERTH_CONNECTOR_REFUSED: nobody listens there
 * @BERTH_CONNECTOR_UNREACHABLE: no way leads there
 * @BERTH_CONNECTOR_TIMED_OUT: it took too long
 * @BERTH_CONNECTOR_FAILED: anything else
 *
 * What came of a connection.
 */
typedef enum
{
  BERTH_CONNECTOR_CONNECTED,
  BERTH_CONNECTOR_NO_NAME,
  BERTH_CONNECTOR_DENIED,
  BERTH_CONNECTOR_REFUSED,
  BERTH_CONNECTOR_UNREACHABLE,
  BERTH_CONNECTOR_TIMED_OUT,
  BERTH_CONNECTOR_FAILED,
  BERTH_CONNECTOR_VERDICTS, /* how many there are */
} BerthConnectorVerdict;

/* Sends one; @value may be floating. @passed_fd: -1 for none. FALSE: errno says why. */
gboolean
berth_connector_wire_send (int fd, BerthConnectorPacket packet, GVariant *value, int passed_fd);
/* (transfer full) (nullable): the next one, in normal form, of @type where @packet is of this kind;
 * NULL and *@out_is_over: there is none, now or ever. @out_fd: -1 for none. A packet that is none,
 * or of another kind, ends it. */
GVariant *berth_connector_wire_receive (int fd, BerthConnectorPacket *out_packet, int *out_fd,
                                        gboolean *out_is_over);

G_END_DECLS
