/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's messages, one at a time and never a byte further, so that descriptors belong to the
 * message whose bytes they came with. */
#include "plugin/daemon/berth-relay-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/base/berth-closer.h"
#include "plugin/bus/berth-dbus-admin.h"
#include "plugin/bus/berth-dbus-manager.h"
#include "plugin/base/berth-source.h"
#include "pool/berth-error.h"

#define SKIP_BYTES 65536u

static gboolean in_cb (int fd, GIOCondition condition, gpointer user_data);

static void
in_close_fds (BerthRelay *self)
{
  RelayIn *in = &self->in;

  for (guint i = 0; i < in->n_fds; i++)
    berth_closer_close (in->fds[i], self->sasl.uid);
  in->n_fds = 0;
}

/* Ready for the next one. What the tab has for a call stays there until its answer. */
static void
in_reset (BerthRelay *self)
{
  RelayIn *in = &self->in;

  g_clear_pointer (&in->bytes, g_free);
  g_clear_error (&in->refusal);
  in_close_fds (self);
  berth_source_clear (&in->deadline);
  in->stage = IN_HEAD;
  in->have = 0;
  in->want = BERTH_MESSAGE_HEAD_BYTES;
}

void
berth_relay_in_clear (BerthRelay *self)
{
  RelayIn *in = &self->in;

  berth_tab_give_fds (self->tab, in->n_fds);
  berth_tab_give_bytes (self->tab, in->taken);
  in->taken = 0;
  in_reset (self);
  berth_source_clear (&in->source);
  berth_source_clear (&in->resume);
  berth_tab_forget_turn (self->tab);
}

void
berth_relay_in_start (BerthRelay *self)
{
  in_reset (self);
  berth_relay_watch (self, &self->in.source, self->client, G_IO_IN, in_cb);
}

/* ---- bytes and descriptors ---- */

static void in_refuse (RelayIn *in, BerthError code, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
in_refuse (RelayIn *in, BerthError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  if (in->refusal != NULL)
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  in->refusal = g_error_new_literal (BERTH_ERROR, (int)code, text);
}

static void
in_take_fd (BerthRelay *self, int fd)
{
  RelayIn *in = &self->in;

  if (in->n_fds < G_N_ELEMENTS (in->fds) && berth_tab_take_fds (self->tab, 1))
    {
      in->fds[in->n_fds++] = fd;
      return;
    }
  berth_closer_close (fd, self->sasl.uid);
  if (in->n_fds == G_N_ELEMENTS (in->fds))
    berth_relay_end (self, "its message carries more than " G_STRINGIFY (
                               BERTH_LIMIT_MESSAGE_FDS) " descriptors");
  else if (berth_account_is_stuck (berth_tab_get_account (self->tab)))
    berth_relay_end (self, "descriptors that it handed over can't be closed");
  else
    in_refuse (in, BERTH_ERROR_UNAVAILABLE,
               "no file descriptors are left for user %u: wait for answers first, or raise "
               "berthd's limit (LimitNOFILE)",
               self->sasl.uid);
}

static void
in_take_fds (BerthRelay *self, struct msghdr *message)
{
  for (struct cmsghdr *part = CMSG_FIRSTHDR (message); part != NULL;
       part = CMSG_NXTHDR (message, part))
    {
      gsize count = (part->cmsg_len - CMSG_LEN (0)) / sizeof (int);

      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
        continue;
      for (gsize i = 0; i < count; i++)
        {
          int fd;

          memcpy (&fd, CMSG_DATA (part) + i * sizeof fd, sizeof fd);
          in_take_fd (self, fd);
        }
    }
  if ((message->msg_flags & MSG_CTRUNC) != 0)
    berth_relay_end (self, "berthd has no place for the descriptors of its message");
}

/* Whether bytes came; else there are none yet, or the client is gone. There is room for as many
 * descriptors as may come: the kernel closes the others at once, which may wait. */
static gboolean
in_receive (BerthRelay *self, guint8 *bytes, gsize size)
{
  union
  {
    struct cmsghdr head;
    char bytes[CMSG_SPACE (sizeof (int) * BERTH_CALLER_FDS_MAX)];
  } control;
  struct iovec vector = { bytes, size };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  gssize got = recvmsg (self->client, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

  if (got > 0)
    {
      self->in.have += (gsize)got;
      in_take_fds (self, &message);
      return !self->is_ended;
    }
  if (got == 0 || (errno != EAGAIN && errno != EINTR))
    berth_relay_end (self, NULL);
  return FALSE;
}

/* ---- what a message may be ---- */

static gboolean
has_signature (GDBusInterfaceInfo *info, const char *signature)
{
  for (guint i = 0; info->methods[i] != NULL; i++)
    {
      GDBusArgInfo **args = info->methods[i]->in_args; /* NULL for none */
      const char *rest = signature;

      for (; rest != NULL && args != NULL && *args != NULL; args++)
        {
          const char *type = (*args)->signature;

          rest = g_str_has_prefix (rest, type) ? rest + strlen (type) : NULL;
        }
      if (rest != NULL && *rest == '\0')
        return TRUE;
    }
  return FALSE;
}

/* Of berth's own methods, or of those that GDBus has for every object */
static gboolean
is_signature_of_any_method (const char *signature)
{
  static const char *const standard[] = { "", "s", "ss", "ssv", NULL };

  return g_strv_contains (standard, signature)
         || has_signature (berth_dbus_manager_interface_info (), signature)
         || has_signature (berth_dbus_admin_interface_info (), signature);
}

static gsize
body_limit (const BerthMessage *message)
{
  return strcmp (message->member, "Run") == 0 || strcmp (message->member, "Exec") == 0
                 || strcmp (message->member, "Start") == 0
                 || strcmp (message->member, "AdmitDomain") == 0
             ? BERTH_LIMIT_CODE_MESSAGE_BYTES
             : BERTH_LIMIT_MESSAGE_BYTES;
}

/* Decides by the head alone; what is refused is answered behind its last byte. */
static void
in_judge (BerthRelay *self)
{
  RelayIn *in = &self->in;
  const BerthMessage *message = &in->message;
  gsize size = message->head_bytes + message->body_bytes;

  if (message->body_bytes > body_limit (message))
    in_refuse (in, BERTH_ERROR_INVALID,
               "a message of %" G_GSIZE_FORMAT " bytes: %s takes at most %" G_GSIZE_FORMAT,
               message->body_bytes, message->member, body_limit (message));
  else if (message->signature != NULL && !is_signature_of_any_method (message->signature))
    in_refuse (in, BERTH_ERROR_INVALID, "no method takes '%.40s'", message->signature);
  else if (!berth_tab_take_bytes (self->tab, size))
    in_refuse (in, BERTH_ERROR_UNAVAILABLE,
               "what user %u has under way fills the %d MiB that it may take: wait for answers "
               "first",
               self->sasl.uid, BERTH_LIMIT_BYTES_PER_UID / (1024 * 1024));
  else
    {
      in->taken = size;
      if (!berth_tab_take_buffer (self->tab, size))
        in_refuse (in, BERTH_ERROR_UNAVAILABLE,
                   "user %u has many large messages under way: wait for answers first",
                   self->sasl.uid);
    }
}

static void
in_skip (RelayIn *in)
{
  in->stage = IN_SKIP;
  in->have = 0;
  in->want = in->message.body_bytes;
}

static void
in_head_done (BerthRelay *self)
{
  RelayIn *in = &self->in;
  const char *problem = berth_message_parse_head (&in->message, in->bytes);

  if (problem == NULL && in->message.head_bytes > BERTH_MESSAGE_HEAD_BYTES + BERTH_LIMIT_HEAD_BYTES)
    problem = "has too long a head";
  if (problem != NULL)
    {
      g_autofree char *reason = g_strconcat ("its message ", problem, NULL);

      berth_relay_end (self, reason);
      return;
    }
  in->bytes = g_realloc (in->bytes, in->message.head_bytes);
  in->stage = IN_FIELDS;
  in->want = in->message.head_bytes;
}

static void
in_fields_done (BerthRelay *self)
{
  RelayIn *in = &self->in;
  const char *problem = berth_message_parse_fields (&in->message, in->bytes);

  if (problem == NULL && in->message.n_fds > BERTH_LIMIT_MESSAGE_FDS)
    problem = "carries more than " G_STRINGIFY (BERTH_LIMIT_MESSAGE_FDS) " descriptors";
  if (problem != NULL)
    {
      g_autofree char *reason = g_strconcat ("its message ", problem, NULL);

      berth_relay_end (self, reason);
      return;
    }
  /* berthd calls no client and listens to no signal */
  if (in->message.type == BERTH_MESSAGE_CALL)
    in_judge (self);
  if (in->message.type != BERTH_MESSAGE_CALL || in->refusal != NULL)
    {
      in_skip (in);
      return;
    }
  in->bytes = g_realloc (in->bytes, in->taken);
  berth_message_parse_fields (&in->message, in->bytes); /* the texts have moved */
  in->stage = IN_BODY;
  in->want = in->taken;
}

static void
in_body_done (BerthRelay *self)
{
  RelayIn *in = &self->in;
  const char *problem = berth_message_check_body (&in->message, in->bytes + in->message.head_bytes,
                                                  BERTH_LIMIT_MESSAGE_VALUES);

  if (problem == NULL && in->refusal == NULL && in->n_fds != in->message.n_fds)
    problem = "carries another number of descriptors than it says";
  if (problem != NULL)
    {
      g_autofree char *reason = g_strconcat ("its message ", problem, NULL);

      berth_relay_end (self, reason);
      return;
    }
  berth_source_clear (&in->deadline);
  if (in->refusal != NULL
      || !berth_tab_add_call (self->tab, in->message.serial, in->taken,
                              &(BerthCallerFds){ in->fds, in->n_fds }, &in->refusal))
    {
      in->stage = IN_SKIP;
      in->have = in->want = 0;
      return;
    }
  in->taken = in->n_fds = 0; /* the call's now */
  berth_message_want_answer (in->bytes);
  in->stage = IN_TURN;
}

static void
in_answer_refused (BerthRelay *self)
{
  RelayIn *in = &self->in;
  g_autofree char *name = g_dbus_error_encode_gerror (in->refusal);
  g_autoptr (GDBusMessage) answer = g_dbus_message_new ();
  g_autofree guchar *bytes = NULL;
  gsize size = 0;

  g_dbus_message_set_message_type (answer, G_DBUS_MESSAGE_TYPE_ERROR);
  g_dbus_message_set_serial (answer, in->message.serial);
  g_dbus_message_set_reply_serial (answer, in->message.serial);
  g_dbus_message_set_error_name (answer, name);
  g_dbus_message_set_body (answer, g_variant_new ("(s)", in->refusal->message));
  bytes = g_dbus_message_to_blob (answer, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
  berth_relay_out_push (self, bytes, size);
}

static void
in_skipped (BerthRelay *self)
{
  RelayIn *in = &self->in;

  berth_tab_give_fds (self->tab, in->n_fds);
  berth_tab_give_bytes (self->tab, in->taken);
  in->taken = 0;
  if (in->refusal != NULL)
    in_answer_refused (self);
  if (!self->is_ended)
    in_reset (self);
}

/* ---- to GDBus ---- */

static gboolean
resume_cb (gpointer user_data)
{
  BerthRelay *self = user_data;

  berth_source_clear (&self->in.resume);
  berth_relay_watch (self, &self->in.source, self->client, G_IO_IN, in_cb);
  in_cb (self->client, G_IO_IN, self);
  return G_SOURCE_REMOVE;
}

/* In the midst of another call's beginning or end, which must not find itself called again. */
static void
turn_cb (gpointer user_data)
{
  BerthRelay *self = user_data;

  self->in.resume = g_idle_source_new ();
  g_source_set_priority (self->in.resume, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->in.resume, resume_cb, self, NULL);
  g_source_attach (self->in.resume, g_main_context_get_thread_default ());
}

static gboolean
in_take_turn (BerthRelay *self)
{
  RelayIn *in = &self->in;

  if (!berth_tab_take_turn (self->tab, in->message.serial))
    {
      berth_source_clear (&in->source);
      berth_tab_await_turn (self->tab, turn_cb, self);
      return FALSE;
    }
  in->stage = IN_PASS;
  in->want = in->have;
  in->have = 0;
  return TRUE;
}

/* Without its descriptors: GDBus closes those that it is given wherever it likes, and a close may
 * wait. Methods have them from the tab. */
static gssize
in_send (BerthRelay *self)
{
  RelayIn *in = &self->in;

  return send (self->inner, in->bytes + in->have, in->want - in->have, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* FALSE once it is passed on, too: others have their turn now. */
static gboolean
in_pass (BerthRelay *self)
{
  RelayIn *in = &self->in;
  gssize put = in_send (self);

  if (put < 0 && errno != EAGAIN && errno != EINTR)
    {
      berth_relay_in_clear (self); /* GDBus takes no more; what it has said is still written */
      return FALSE;
    }
  if (put < 0)
    {
      berth_relay_watch (self, &in->source, self->inner, G_IO_OUT, in_cb);
      return FALSE;
    }
  in->have += (gsize)put;
  if (in->have < in->want)
    return TRUE;
  berth_relay_in_start (self);
  return FALSE;
}

/* ---- the way ---- */

static gboolean
in_fill (BerthRelay *self)
{
  RelayIn *in = &self->in;
  guint8 scratch[SKIP_BYTES];

  if (in->stage == IN_SKIP)
    return in_receive (self, scratch, MIN (sizeof scratch, in->want - in->have));
  if (in->bytes == NULL)
    in->bytes = g_malloc (BERTH_MESSAGE_HEAD_BYTES);
  return in_receive (self, in->bytes + in->have, in->want - in->have);
}

/* Whether there is more to do at once */
static gboolean
in_step (BerthRelay *self)
{
  RelayIn *in = &self->in;

  if (in->stage == IN_TURN)
    return in_take_turn (self);
  if (in->stage == IN_PASS)
    return in_pass (self);
  if (in->have < in->want && !in_fill (self))
    return FALSE;
  if (in->have < in->want)
    return TRUE;
  switch (in->stage)
    {
    case IN_HEAD:
      in_head_done (self);
      return TRUE;
    case IN_FIELDS:
      in_fields_done (self);
      return TRUE;
    case IN_BODY:
      in_body_done (self);
      return TRUE;
    default:
      in_skipped (self);
      return FALSE;
    }
}

static gboolean
late_cb (gpointer user_data)
{
  berth_relay_end (user_data,
                   "its message did not end in " G_STRINGIFY (BERTH_LIMIT_MESSAGE_S) " s");
  return G_SOURCE_REMOVE;
}

/* A message that comes as one piece, as nearly all do, needs no timer. */
static void
in_arm_deadline (BerthRelay *self)
{
  RelayIn *in = &self->in;
  gboolean is_begun = (in->stage == IN_HEAD && in->have > 0) || in->stage == IN_FIELDS
                      || in->stage == IN_BODY || in->stage == IN_SKIP;

  if (!is_begun || in->deadline != NULL)
    return;
  in->deadline = g_timeout_source_new_seconds (BERTH_LIMIT_MESSAGE_S);
  g_source_set_callback (in->deadline, late_cb, self, NULL);
  g_source_attach (in->deadline, g_main_context_get_thread_default ());
}

static gboolean
in_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthRelay *self = user_data;

  while (!self->is_ended && in_step (self))
    ;
  if (!self->is_ended && self->in.source != NULL)
    in_arm_deadline (self);
  return G_SOURCE_CONTINUE;
}
