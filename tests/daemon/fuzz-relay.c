/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes, in any pieces and with any descriptors, as what a client sends after it has told who
 * it is: what the relay passes on is whole messages, each of which GDBus can take, with the
 * descriptors that it says it has. The first byte of the input says how it is cut, every piece
 * begins with how many descriptors come with it. */
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/daemon/berth-message.h"
#include "plugin/daemon/berth-relay.h"
#include "plugin/model/berth-limits.h"
#include "tests/daemon/raw-client.h"

#define UID 1000u
#define FDS_MAX 8u
#define LOGIN "\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

typedef struct
{
  GSocket *inner;  /* (nullable): where messages come out */
  gboolean closed; /* the relay is to be freed */
  gsize passed;    /* messages */
} Door;

static void
opened_cb (BerthRelay *relay, gpointer user_data)
{
  Door *door = user_data;
  g_autoptr (GError) error = NULL;

  door->inner = berth_relay_take_inner (relay, &error);
  g_assert_no_error (error);
}

static void
closed_cb (BerthRelay *relay, gpointer user_data)
{
  ((Door *)user_data)->closed = TRUE;
}

static guint
close_fds (struct msghdr *message)
{
  guint count = 0;

  for (struct cmsghdr *part = CMSG_FIRSTHDR (message); part != NULL;
       part = CMSG_NXTHDR (message, part))
    for (gsize i = 0; i < (part->cmsg_len - CMSG_LEN (0)) / sizeof (int); i++)
      {
        int fd;

        memcpy (&fd, CMSG_DATA (part) + i * sizeof fd, sizeof fd);
        close (fd);
        count++;
      }
  return count;
}

/* @size bytes, all of which are there; how many descriptors came with them */
static guint
take (Door *door, guint8 *bytes, gsize size)
{
  char control[CMSG_SPACE (sizeof (int) * 64)];
  struct iovec vector = { bytes, size };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
  };
  gssize got = recvmsg (g_socket_get_fd (door->inner), &message, MSG_WAITALL | MSG_DONTWAIT);

  g_assert_cmpint (got, ==, (gssize)size); /* or it was no whole message */
  return close_fds (&message);
}

/* What GDBus would do with it: FALSE where there is nothing. */
static gboolean
read_message (Door *door, BerthTab *tab)
{
  guint8 head[BERTH_MESSAGE_HEAD_BYTES];
  g_autofree guint8 *bytes = NULL;
  BerthMessage message;
  guint n_fds;

  if (door->inner == NULL
      || recv (g_socket_get_fd (door->inner), head, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
    return FALSE;
  n_fds = take (door, head, sizeof head);
  g_assert_null (berth_message_parse_head (&message, head));
  bytes = g_malloc (message.head_bytes + message.body_bytes);
  memcpy (bytes, head, sizeof head);
  n_fds += take (door, bytes + sizeof head, message.head_bytes + message.body_bytes - sizeof head);
  g_assert_null (berth_message_parse_fields (&message, bytes));
  g_assert_null (
      berth_message_check_body (&message, bytes + message.head_bytes, BERTH_LIMIT_MESSAGE_VALUES));
  g_assert_cmpuint (n_fds, ==, 0); /* they are the tab's */
  g_assert_cmpuint (message.n_fds, <=, BERTH_LIMIT_MESSAGE_FDS);
  door->passed++;
  berth_tab_call_has_begun (tab, message.serial);
  berth_tab_call_is_answered (tab, message.serial);
  return TRUE;
}

static void
settle (Door *door, BerthTab *tab)
{
  gboolean is_busy = TRUE;

  while (is_busy && !door->closed)
    {
      is_busy = g_main_context_iteration (NULL, FALSE);
      is_busy |= read_message (door, tab);
    }
}

/* FALSE: the relay has hung up */
static gboolean
send_piece (int client, const guint8 *bytes, gsize size, guint n_fds)
{
  int fds[FDS_MAX];

  for (guint i = 0; i < n_fds; i++)
    fds[i] = client;
  return raw_client_try_send (client, bytes, size, fds, n_fds, MSG_DONTWAIT) == (gssize)size;
}

static void
play (int client, Door *door, BerthTab *tab, const guint8 *data, gsize size)
{
  gsize piece = size > 0 ? 1u + *data * 4u : 0;
  gsize at = 1;

  if (!send_piece (client, (const guint8 *)LOGIN, sizeof LOGIN - 1, 0))
    return;
  settle (door, tab);
  while (at + 1 < size && !door->closed)
    {
      /* most pieces come alone */
      guint n_fds = data[at] < 192 ? 0 : data[at] % 8u;
      gsize length = MIN (piece, size - at - 1);

      if (!send_piece (client, data + at + 1, length, n_fds))
        return;
      at += 1 + length;
      settle (door, tab);
    }
}

/* The relay tells of each client that it cuts off. */
static GLogWriterOutput
forget_cb (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  return (level & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_WARNING)) != 0
             ? G_LOG_WRITER_HANDLED
             : g_log_writer_default (level, fields, n_fields, user_data);
}

static void
be_silent (void)
{
  static gsize is_silent = 0;

  if (g_once_init_enter (&is_silent))
    {
      g_log_set_writer_func (forget_cb, NULL, NULL);
      g_once_init_leave (&is_silent, 1);
    }
}

/* Descriptors of inputs before may still be on their way to being closed, for which a user waits.
 */
static BerthTab *
open_tab (BerthAccount *account)
{
  BerthTab *tab;

  while ((tab = berth_tab_open (account)) == NULL)
    g_usleep (100);
  return tab;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const BerthRelayFuncs funcs = { opened_cb, closed_cb };
  g_autoptr (BerthAccounts) accounts = berth_accounts_new ();
  g_autoptr (BerthAccount) account = berth_accounts_get (accounts, UID);
  BerthTab *tab = open_tab (account);
  g_autoptr (BerthTab) held = berth_tab_ref (tab);
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GSocketConnection) stream = NULL;
  Door door = { 0 };
  BerthRelay *relay;
  int ends[2];

  be_silent ();
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  socket = g_socket_new_from_fd (ends[1], NULL);
  g_assert_nonnull (socket);
  stream = g_socket_connection_factory_create_connection (socket);
  relay = berth_relay_new (stream, tab, "0123456789abcdef0123456789abcdef", &funcs, &door);
  play (ends[0], &door, held, data, size);
  close (ends[0]);
  settle (&door, held);
  berth_relay_free (relay);
  g_clear_object (&door.inner);
  return 0;
}
