/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the administrator lets sandboxes reach, and a request's part of it. */
#pragma once

#include "plugin/reach/berth-reach-address.h"
#include "plugin/reach/berth-reach-rule.h"

G_BEGIN_DECLS

/**
 * BerthReachVoice:
 * @BERTH_REACH_OF_ALL: the settings that hold for all
 * @BERTH_REACH_OF_USER: those of the user who asks
 * @BERTH_REACH_OF_TEMPLATE: what the template says of itself
 *
 * Who has a say: all of them have to allow what is to be reached.
 */
typedef enum
{
  BERTH_REACH_OF_ALL,
  BERTH_REACH_OF_USER,
  BERTH_REACH_OF_TEMPLATE,
} BerthReachVoice;

/**
 * BerthReachWords:
 * @allow: (nullable): rules; NULL: it has no say in that, %NULL-terminated as the others
 * @deny: (nullable): rules of names, without ports of any port, and networks
 * @private: (nullable): networks that names may lead to although they are not public; NULL: it has
 *   no say in that
 *
 * What one of them says.
 */
typedef struct
{
  const char *const *allow;
  const char *const *deny;
  const char *const *private;
} BerthReachWords;

/* Decided for one user and one template. Counted references, main context. */
typedef struct _BerthReachPolicy BerthReachPolicy;

/* @allows_all: a request may ask for every name */
BerthReachPolicy *berth_reach_policy_new (gboolean allows_all);
BerthReachPolicy *berth_reach_policy_ref (BerthReachPolicy *self);
void berth_reach_policy_unref (BerthReachPolicy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthReachPolicy, berth_reach_policy_unref)

/* Each voice once. Fails with BERTH_ERROR_INVALID, and allows nothing then. */
gboolean berth_reach_policy_add (BerthReachPolicy *self, BerthReachVoice voice,
                                 const BerthReachWords *words, GError **error);

/* Connections go through @proxy, a URI; those of @direct, names and networks of addresses, do not.
 * Fails with BERTH_ERROR_INVALID. */
gboolean berth_reach_policy_set_proxy (BerthReachPolicy *self, const char *proxy,
                                       const char *const *direct, GError **error);
/* (nullable): the URI of who connects to @name, as of berth_reach_policy_get_problem(); NULL: we
 * do */
const char *
berth_reach_policy_get_proxy (const BerthReachPolicy *self, const char *name, guint16 port);

/* (transfer full): a request's rules in their own form; @is_all: every name that is allowed at all,
 * too. Fails with BERTH_ERROR_INVALID, which says what is allowed. */
GPtrArray *berth_reach_policy_narrow (const BerthReachPolicy *self, const char *const *rules,
                                      gboolean is_all, GError **error);
/* Now: @rules may have been allowed by another policy. @name: as a guest told it; @port 0: any;
 * @out_name: (transfer full): as a rule has it. (nullable): static: why not */
const char *berth_reach_policy_get_problem (const BerthReachPolicy *self, const GPtrArray *rules,
                                            const char *name, guint16 port, char **out_name);
/* (transfer full): @rules as a guest is told them, NULL-terminated: "NAME" and all its ports, or
 * "NAME 80,443"; with a "!" what is refused of these. It may be told more than is allowed, for
 * quick answers of its own. */
char **berth_reach_policy_dup_hints (const BerthReachPolicy *self, const GPtrArray *rules);
/* Whether what is open may stay so: where it is not public, a policy of before may have let it. */
gboolean
berth_reach_policy_has_address (const BerthReachPolicy *self, GInetAddress *address, guint16 port);
/* GInetAddressMask: networks that names never lead to at a port (transfer full), and such as they
 * may lead to although they are not public. */
GPtrArray *berth_reach_policy_dup_denied (const BerthReachPolicy *self, guint16 port);
GPtrArray *berth_reach_policy_get_private (const BerthReachPolicy *self);

G_END_DECLS
