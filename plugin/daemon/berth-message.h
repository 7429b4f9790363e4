/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A D-Bus message as bytes: what its head says, and whether its body is small enough to be made
 * into values. Pure functions over bytes that a client wrote. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BERTH_MESSAGE_HEAD_BYTES 16u /* up to where the size of everything is known */
#define BERTH_MESSAGE_BYTES_MAX (128u * 1024u * 1024u) /* D-Bus allows no longer one */

/**
 * BerthMessageType:
 * @BERTH_MESSAGE_CALL: of a method
 * @BERTH_MESSAGE_RETURN: its result
 * @BERTH_MESSAGE_ERROR: that it failed
 */
typedef enum
{
  BERTH_MESSAGE_CALL = 1,
  BERTH_MESSAGE_RETURN = 2,
  BERTH_MESSAGE_ERROR = 3,
} BerthMessageType;

/**
 * BerthMessage:
 * @is_big_endian: byte order of its numbers
 * @type: #BerthMessageType, or one that D-Bus may invent
 * @serial: never 0
 * @head_bytes: the head with all its fields, padding included
 * @body_bytes: what comes behind it
 * @interface: (nullable): these four point into the head, and are NUL-terminated
 * @reply_serial: 0 where it answers nothing
 * @n_fds: descriptors that it says it carries
 */
typedef struct
{
  gboolean is_big_endian;
  guint8 type;
  guint32 serial;
  gsize head_bytes;
  gsize body_bytes;
  const char *path;
  const char *interface;
  const char *member;
  const char *signature;
  guint32 reply_serial;
  guint32 n_fds;
} BerthMessage;

/* All three return what is wrong, as a part of a sentence, or NULL. */
const char *
berth_message_parse_head (BerthMessage *self, const guint8 bytes[BERTH_MESSAGE_HEAD_BYTES]);
/* @bytes: head_bytes of them, which outlive @self */
const char *berth_message_parse_fields (BerthMessage *self, const guint8 *bytes);
/* Whether @body is what the signature says, with no more than @values_max values in it. An array of
 * bytes is one value. */
const char *
berth_message_check_body (const BerthMessage *self, const guint8 *body, guint values_max);

/* Says in the head that an answer is wanted */
void berth_message_want_answer (guint8 *head);

G_END_DECLS
