/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether a name may be reached: by the request, and by the administrator. */
#include "plugin/reach/berth-reach-policy.h"

#include <string.h>

#include "pool/berth-error.h"

struct _BerthReachPolicy
{
  GPtrArray *allow; /* BerthReachRule */
  GPtrArray *deny;  /* likewise */
  gboolean allows_all;
};

void
berth_reach_policy_free (BerthReachPolicy *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->allow, g_ptr_array_unref);
  g_clear_pointer (&self->deny, g_ptr_array_unref);
  g_free (self);
}

static gboolean
is_network (const char *text)
{
  g_autoptr (GInetAddressMask) network = g_inet_address_mask_new_from_string (text, NULL);

  return network != NULL;
}

char **
berth_reach_policy_dup_networks (const char *const *deny)
{
  g_autoptr (GStrvBuilder) networks = g_strv_builder_new ();

  for (guint i = 0; deny != NULL && deny[i] != NULL; i++)
    if (is_network (deny[i]))
      g_strv_builder_add (networks, deny[i]);
  return g_strv_builder_end (networks);
}

/* What may not be reached may not be reached at any port, if none is named. */
static GPtrArray *
parse_denied (const char *const *deny, GError **error)
{
  g_autoptr (GStrvBuilder) texts = g_strv_builder_new ();
  g_auto (GStrv) rules = NULL;

  for (guint i = 0; deny != NULL && deny[i] != NULL; i++)
    {
      g_autofree char *text
          = strchr (deny[i], ':') != NULL ? g_strdup (deny[i]) : g_strconcat (deny[i], ":*", NULL);

      if (!is_network (deny[i]))
        g_strv_builder_add (texts, text);
    }
  rules = g_strv_builder_end (texts);
  return berth_reach_rules_parse ((const char *const *)rules, error);
}

BerthReachPolicy *
berth_reach_policy_new (const char *const *allow, const char *const *deny, gboolean allows_all,
                        GError **error)
{
  g_autoptr (BerthReachPolicy) self = g_new0 (BerthReachPolicy, 1);

  self->allows_all = allows_all;
  self->allow = berth_reach_rules_parse (allow, error);
  if (self->allow == NULL)
    return NULL;
  self->deny = parse_denied (deny, error);
  return self->deny != NULL ? g_steal_pointer (&self) : NULL;
}

/* Whether some rule has all names of @rule at @port, 0: at any port */
static gboolean
has_at_port (const GPtrArray *rules, const BerthReachRule *rule, guint16 port)
{
  for (guint i = 0; i < rules->len; i++)
    {
      const BerthReachRule *other = rules->pdata[i];

      if (berth_reach_rule_has_names_of (other, rule)
          && (port == 0 ? other->has_any_port : berth_reach_rule_has_port (other, port)))
        return TRUE;
    }
  return FALSE;
}

static gboolean
policy_has (const BerthReachPolicy *self, const BerthReachRule *rule)
{
  if (rule->has_any_port)
    return has_at_port (self->allow, rule, 0) && !has_at_port (self->deny, rule, 0);
  for (guint i = 0; i < rule->n_ports; i++)
    if (!has_at_port (self->allow, rule, rule->ports[i])
        || has_at_port (self->deny, rule, rule->ports[i]))
      return FALSE;
  return TRUE;
}

static char *
policy_dup_allowed (const BerthReachPolicy *self)
{
  g_auto (GStrv) allowed = berth_reach_rules_to_texts (self->allow);
  g_auto (GStrv) denied = berth_reach_rules_to_texts (self->deny);
  g_autofree char *names = g_strjoinv (" ", allowed);
  g_autofree char *others = g_strjoinv (" ", denied);

  if (names[0] == '\0')
    return g_strdup ("network_allow has no name; have the administrator of berthd add it");
  return g_strdup_printf ("network_allow has %.400s%s%.200s", names,
                          others[0] != '\0' ? ", but network_deny has " : "", others);
}

static gboolean
policy_check (const BerthReachPolicy *self, const BerthReachRule *rule, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *allowed = NULL;

  if (g_str_equal (rule->name, "*"))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "'*' is no name to allow: name them, or ask for all that is allowed "
                   "(--allow-all)");
      return FALSE;
    }
  if (policy_has (self, rule))
    return TRUE;
  text = berth_reach_rule_to_text (rule);
  allowed = policy_dup_allowed (self);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%.300s may not be reached: %s", text,
               allowed);
  return FALSE;
}

GPtrArray *
berth_reach_policy_narrow (const BerthReachPolicy *self, const char *const *rules, gboolean is_all,
                           GError **error)
{
  g_autoptr (GPtrArray) narrow = berth_reach_rules_parse (rules, error);

  if (narrow == NULL)
    return NULL;
  if (narrow->len > BERTH_REACH_RULES_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%u names to allow: give at most %u",
                   narrow->len, BERTH_REACH_RULES_MAX);
      return NULL;
    }
  for (guint i = 0; i < narrow->len; i++)
    if (!policy_check (self, narrow->pdata[i], error))
      return NULL;
  if (is_all && !self->allows_all)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "not every name may be asked for at once: name what is to be reached, or have "
                   "network_allow_all set");
      return NULL;
    }
  if (is_all)
    g_ptr_array_add (narrow, berth_reach_rule_parse ("*:*", NULL));
  return g_steal_pointer (&narrow);
}

const char *
berth_reach_policy_get_problem (const BerthReachPolicy *self, const GPtrArray *rules,
                                const char *name, guint16 port, char **out_name)
{
  *out_name = berth_reach_name_normalize (name);
  if (*out_name == NULL)
    return "it is no name";
  if (!berth_reach_rules_fit (rules, *out_name, port))
    return "the sandbox did not ask for it";
  if (!berth_reach_rules_fit (self->allow, *out_name, port))
    return "network_allow does not have it";
  if (berth_reach_rules_fit (self->deny, *out_name, port))
    return "network_deny has it";
  return NULL;
}
