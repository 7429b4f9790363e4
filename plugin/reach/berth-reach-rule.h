/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which names and ports a sandbox may reach, as somebody writes it. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_REACH_NAME_MAX 253u /* characters of a name, as DNS has it */
#define BERTH_REACH_PORTS_MAX 16u /* that one rule names */
#define BERTH_REACH_RULES_MAX 64u /* of one request */
#define BERTH_REACH_ALLOWED_FORM                                                                   \
  "NAME[:PORT[,PORT]...]: a name such as example.org, *.example.org for all below it, or an "      \
  "address "                                                                                       \
  "such as 192.0.2.1 or [2001:db8::1]; without ports 80 and 443, :* any"

/**
 * BerthReachRule:
 * @name: in lower case and ASCII, without a dot at its end; "*.example.org" is every name below,
 *   "*" every name, and an address is only itself
 * @is_address: an address is its name
 * @has_any_port: and @ports are none
 * @ports: rising
 * @n_ports: how many
 *
 * Names, and the ports of each.
 */
typedef struct
{
  char *name;
  gboolean is_address;
  gboolean has_any_port;
  guint16 ports[BERTH_REACH_PORTS_MAX];
  guint n_ports;
} BerthReachRule;

/* Of what somebody wrote. Fails with BERTH_ERROR_INVALID. */
BerthReachRule *berth_reach_rule_parse (const char *text, GError **error);
/* Whether a rule that somebody wrote names any ports */
gboolean berth_reach_rule_names_ports (const char *text);
void berth_reach_rule_free (BerthReachRule *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthReachRule, berth_reach_rule_free)
/* (transfer full): what berth_reach_rule_parse() makes the same of */
char *berth_reach_rule_to_text (const BerthReachRule *self);

/* (transfer full) (nullable): @name as it stands in a rule, without ports; NULL: it is no name */
char *berth_reach_name_normalize (const char *name);

/* @name: as of berth_reach_name_normalize() */
gboolean berth_reach_rule_fits (const BerthReachRule *self, const char *name, guint16 port);
/* Whether every name of @other is one of @self's */
gboolean berth_reach_rule_has_names_of (const BerthReachRule *self, const BerthReachRule *other);
gboolean berth_reach_rule_has_port (const BerthReachRule *self, guint16 port);

/* (transfer full): of several; NULL-terminated texts. Fails with BERTH_ERROR_INVALID. */
GPtrArray *berth_reach_rules_parse (const char *const *texts, GError **error);
/* (transfer full): NULL-terminated */
char **berth_reach_rules_to_texts (const GPtrArray *rules);
gboolean berth_reach_rules_fit (const GPtrArray *rules, const char *name, guint16 port);

G_END_DECLS
