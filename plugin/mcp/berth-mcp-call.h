/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call of a tool, from its request to its answer. */
#pragma once

#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

typedef struct _BerthMcpCall BerthMcpCall;

/**
 * BerthMcpContext:
 * @client: asks berthd
 * @keeps_sandboxes: whether sandboxes outlive this server
 *
 * What all calls have; outlives them.
 */
typedef struct
{
  BerthClient *client;
  gboolean keeps_sandboxes;
} BerthMcpContext;

/**
 * BerthMcpCallFuncs:
 * @tell: something is to be told of @call: (transfer floating) @notification
 * @is_slow: whether the client leaves unread what it is told
 * @done: the end: (transfer floating) (nullable) @result, %NULL of one that was withdrawn. @call is
 *   freed with it
 *
 * Who answers.
 */
typedef struct
{
  void (*tell) (GVariant *notification, gpointer user_data);
  gboolean (*is_slow) (gpointer user_data);
  void (*done) (BerthMcpCall *call, GVariant *result, gpointer user_data);
} BerthMcpCallFuncs;

/* @progress_token: (nullable): a string or an integer */
BerthMcpCall *
berth_mcp_call_new (const BerthMcpContext *context, GVariant *arguments, GVariant *progress_token,
                    const BerthMcpCallFuncs *funcs, gpointer user_data);
void berth_mcp_call_free (BerthMcpCall *self);
/* Ends what it does; its end is told later, without a result. */
void berth_mcp_call_withdraw (BerthMcpCall *self);

/* (transfer none), all */
BerthClient *berth_mcp_call_get_client (BerthMcpCall *self);
GVariant *berth_mcp_call_get_arguments (BerthMcpCall *self);
GCancellable *berth_mcp_call_get_cancellable (BerthMcpCall *self);
/* Of a checked argument that is a string: (nullable): borrowed; NULL where it was not given */
const char *berth_mcp_call_get_text (BerthMcpCall *self, const char *name);
/* Of one that is a number: 0 where it was not given */
gint64 berth_mcp_call_get_number (BerthMcpCall *self, const char *name);
/* (transfer floating): what is told of the call's sandbox: its id, and @value, taken over if it is
 * floating, as @key */
GVariant *berth_mcp_call_make_answer (BerthMcpCall *self, const char *key, GVariant *value);
/* Whether sandboxes outlive this server */
gboolean berth_mcp_call_keeps_sandboxes (BerthMcpCall *self);

/* Whether anybody wants to hear of it, and can */
gboolean berth_mcp_call_is_listened_to (BerthMcpCall *self);
gboolean berth_mcp_call_can_tell (BerthMcpCall *self);
void berth_mcp_call_tell (BerthMcpCall *self, const char *message);
/* How far a request by @spec is, if anybody listens; until @spec or the call is gone */
void berth_mcp_call_watch (BerthMcpCall *self, BerthSpec *spec);

/* The end of it. @structured: sunk; @contents: (nullable) (element-type GVariant): what is told
 * besides */
void berth_mcp_call_succeed (BerthMcpCall *self, GVariant *structured, GPtrArray *contents);
void berth_mcp_call_fail (BerthMcpCall *self, const GError *error);

/* (transfer floating): {code, cause, remedy, retryable} */
GVariant *berth_mcp_call_error_to_variant (const GError *error);

G_END_DECLS
