/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the administrator lets sandboxes reach, and a request's part of it. */
#pragma once

#include "plugin/reach/berth-reach-address.h"
#include "plugin/reach/berth-reach-rule.h"

G_BEGIN_DECLS

typedef struct _BerthReachPolicy BerthReachPolicy;

/* @allow: rules; @deny: rules of names, without ports of any port, and networks; @allows_all: a
 * request may ask for every name. Fails with BERTH_ERROR_INVALID. */
BerthReachPolicy *berth_reach_policy_new (const char *const *allow, const char *const *deny,
                                          gboolean allows_all, GError **error);
void berth_reach_policy_free (BerthReachPolicy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthReachPolicy, berth_reach_policy_free)

/* (transfer full): a request's rules in their own form; @is_all: every name that is allowed at all,
 * too. Fails with BERTH_ERROR_INVALID, which says what is allowed. */
GPtrArray *berth_reach_policy_narrow (const BerthReachPolicy *self, const char *const *rules,
                                      gboolean is_all, GError **error);
/* Now: @rules may have been allowed by another policy. @name: as a guest told it; @out_name:
 * (transfer full): as a rule has it. (nullable): static: why not */
const char *berth_reach_policy_get_problem (const BerthReachPolicy *self, const GPtrArray *rules,
                                            const char *name, guint16 port, char **out_name);

/* (transfer full): the networks among entries of network_deny */
char **berth_reach_policy_dup_networks (const char *const *deny);

G_END_DECLS
