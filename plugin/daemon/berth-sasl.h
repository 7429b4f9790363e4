/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines that a D-Bus client begins with. Who it is, is known from its socket; all that is left
 * to say is EXTERNAL. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BERTH_SASL_LINE_BYTES 256u /* the longest that is needed has some 40 */
#define BERTH_SASL_LINES 16u       /* until BEGIN; clients send 3 to 5 */

/**
 * BerthSaslState:
 * @BERTH_SASL_MORE: it goes on
 * @BERTH_SASL_DONE: what comes behind this byte are messages
 * @BERTH_SASL_REFUSED: nothing that comes is worth reading
 */
typedef enum
{
  BERTH_SASL_MORE,
  BERTH_SASL_DONE,
  BERTH_SASL_REFUSED,
} BerthSaslState;

/**
 * BerthSaslStage:
 * @BERTH_SASL_STAGE_NUL: before the first byte, which is NUL
 * @BERTH_SASL_STAGE_AUTH: no mechanism is chosen
 * @BERTH_SASL_STAGE_DATA: it is, and the identity is to follow
 * @BERTH_SASL_STAGE_BEGIN: the client is who it says
 */
typedef enum
{
  BERTH_SASL_STAGE_NUL,
  BERTH_SASL_STAGE_AUTH,
  BERTH_SASL_STAGE_DATA,
  BERTH_SASL_STAGE_BEGIN,
} BerthSaslStage;

typedef struct
{
  const char *guid; /* borrowed: the server's */
  guint32 uid;      /* of the socket's other end */
  BerthSaslStage stage;
  guint n_lines;
  gsize length;
  char line[BERTH_SASL_LINE_BYTES];
} BerthSasl;

void berth_sasl_init (BerthSasl *self, guint32 uid, const char *guid);
/* Takes one byte; what is to be said to it is appended to @answer. */
BerthSaslState berth_sasl_take (BerthSasl *self, guint8 byte, GString *answer);

G_END_DECLS
