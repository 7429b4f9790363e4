/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether a name may be reached: by the request, and by the administrator. */
#include "plugin/reach/berth-reach-policy.h"

#include <string.h>

#include "plugin/reach/berth-reach-proxy.h"
#include "pool/berth-error.h"

#define HINTS_MAX (32u * 1024u) /* BERTH_ALLOW_MAX of the wire */

/* How a voice is told of: what has its rules, and why one of them is a problem. */
static const struct
{
  const char *allow;
  const char *deny;
  const char *not_allowed;
  const char *denied;
} voices[] = {
  [BERTH_REACH_OF_ALL]
  = { "network_allow", "network_deny", "network_allow does not have it", "network_deny has it" },
  [BERTH_REACH_OF_USER] = { "uid_network_allow", "uid_network_deny",
                            "uid_network_allow does not have it", "uid_network_deny has it" },
  [BERTH_REACH_OF_TEMPLATE] = { "allow of the template", "deny of the template",
                                "its template does not allow it", "its template denies it" },
};

typedef struct
{
  GPtrArray *allow; /* BerthReachRule; NULL: no say */
  GPtrArray *deny;  /* likewise, never NULL */
} Voice;

struct _BerthReachPolicy
{
  grefcount refs;
  gboolean allows_all;
  Voice voices[G_N_ELEMENTS (voices)];
  GPtrArray *denied;    /* GInetAddressMask, of any voice */
  GPtrArray *private;   /* likewise, of all that have a say */
  gboolean has_private; /* somebody has */
  char *proxy;          /* (nullable): a URI */
  GPtrArray *direct;    /* BerthReachRule: what it is not for; NULL without one */
  GPtrArray *direct_networks;
};

BerthReachPolicy *
berth_reach_policy_new (gboolean allows_all)
{
  BerthReachPolicy *self = g_new0 (BerthReachPolicy, 1);

  g_ref_count_init (&self->refs);
  self->allows_all = allows_all;
  self->denied = g_ptr_array_new_with_free_func (g_object_unref);
  self->private = g_ptr_array_new_with_free_func (g_object_unref);
  return self;
}

BerthReachPolicy *
berth_reach_policy_ref (BerthReachPolicy *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
berth_reach_policy_unref (BerthReachPolicy *self)
{
  if (self == NULL || !g_ref_count_dec (&self->refs))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (voices); i++)
    {
      g_clear_pointer (&self->voices[i].allow, g_ptr_array_unref);
      g_clear_pointer (&self->voices[i].deny, g_ptr_array_unref);
    }
  g_clear_pointer (&self->denied, g_ptr_array_unref);
  g_clear_pointer (&self->private, g_ptr_array_unref);
  g_clear_pointer (&self->direct, g_ptr_array_unref);
  g_clear_pointer (&self->direct_networks, g_ptr_array_unref);
  g_free (self->proxy);
  g_free (self);
}

/* ---- what they say ---- */

static gboolean
is_network (const char *text)
{
  g_autoptr (GInetAddressMask) network = g_inet_address_mask_new_from_string (text, NULL);

  return network != NULL;
}

/* What may not be reached may not be reached at any port, if none is named. */
static GPtrArray *
parse_denied (const char *const *deny, GError **error)
{
  g_autoptr (GStrvBuilder) texts = g_strv_builder_new ();
  g_auto (GStrv) rules = NULL;

  for (guint i = 0; deny != NULL && deny[i] != NULL; i++)
    {
      g_autofree char *text = berth_reach_rule_names_ports (deny[i])
                                  ? g_strdup (deny[i])
                                  : g_strconcat (deny[i], ":*", NULL);

      if (!is_network (deny[i]))
        g_strv_builder_add (texts, text);
    }
  rules = g_strv_builder_end (texts);
  return berth_reach_rules_parse ((const char *const *)rules, error);
}

/* Those of @texts that are one */
static void
add_networks (GPtrArray *networks, const char *const *texts)
{
  for (guint i = 0; texts != NULL && texts[i] != NULL; i++)
    {
      GInetAddressMask *network = g_inet_address_mask_new_from_string (texts[i], NULL);

      if (network != NULL)
        g_ptr_array_add (networks, network);
    }
}

static gboolean
policy_add_private (BerthReachPolicy *self, const char *const *texts, GError **error)
{
  g_autoptr (GPtrArray) networks = berth_reach_networks_parse (texts, error);

  if (networks == NULL)
    return FALSE;
  if (self->has_private)
    {
      GPtrArray *both = berth_reach_networks_intersect (self->private, networks);

      g_ptr_array_unref (networks);
      networks = both;
    }
  self->has_private = TRUE;
  g_ptr_array_unref (self->private);
  self->private = g_steal_pointer (&networks);
  return TRUE;
}

static gboolean
policy_take (BerthReachPolicy *self, Voice *voice, const BerthReachWords *words, GError **error)
{
  g_autoptr (GPtrArray) deny = parse_denied (words->deny, error);
  g_autoptr (GPtrArray) allow
      = deny != NULL && words->allow != NULL ? berth_reach_rules_parse (words->allow, error) : NULL;

  if (deny == NULL || (words->allow != NULL && allow == NULL)
      || (words->private != NULL && !policy_add_private (self, words->private, error)))
    return FALSE;
  add_networks (self->denied, words->deny);
  voice->deny = g_steal_pointer (&deny);
  voice->allow = g_steal_pointer (&allow);
  return TRUE;
}

gboolean
berth_reach_policy_add (BerthReachPolicy *self, BerthReachVoice voice, const BerthReachWords *words,
                        GError **error)
{
  Voice *place = &self->voices[voice];

  if (policy_take (self, place, words, error))
    return TRUE;
  place->allow = g_ptr_array_new ();
  place->deny = g_ptr_array_new ();
  return FALSE;
}

/* An address that is denied with ports is a network of one, at these. */
static void
add_denied_at (GPtrArray *networks, const GPtrArray *rules, guint16 port)
{
  for (guint i = 0; rules != NULL && i < rules->len; i++)
    {
      const BerthReachRule *rule = rules->pdata[i];

      if (rule->is_address && berth_reach_rule_has_port (rule, port))
        g_ptr_array_add (networks, g_inet_address_mask_new_from_string (rule->name, NULL));
    }
}

GPtrArray *
berth_reach_policy_dup_denied (const BerthReachPolicy *self, guint16 port)
{
  GPtrArray *networks = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < self->denied->len; i++)
    g_ptr_array_add (networks, g_object_ref (self->denied->pdata[i]));
  for (guint i = 0; i < G_N_ELEMENTS (voices); i++)
    add_denied_at (networks, self->voices[i].deny, port);
  return networks;
}

GPtrArray *
berth_reach_policy_get_private (const BerthReachPolicy *self)
{
  return self->private;
}

/* Its size, with a NUL */
static gsize
add_hint (GStrvBuilder *hints, const char *sign, const BerthReachRule *rule)
{
  GString *text = g_string_new (sign);
  g_autofree char *hint = NULL;

  g_string_append (text, rule->name);
  for (guint i = 0; i < rule->n_ports; i++)
    g_string_append_printf (text, "%c%u", i == 0 ? ' ' : ',', rule->ports[i]);
  hint = g_string_free (text, FALSE);
  g_strv_builder_add (hints, hint);
  return strlen (hint) + 1;
}

/* Those that there is room for: the host refuses the others by itself. */
static void
policy_add_denied_hints (const BerthReachPolicy *self, GStrvBuilder *hints, const GPtrArray *rules,
                         gsize room)
{
  for (guint i = 0; i < G_N_ELEMENTS (voices); i++)
    for (guint j = 0; self->voices[i].deny != NULL && j < self->voices[i].deny->len; j++)
      {
        const BerthReachRule *rule = self->voices[i].deny->pdata[j];
        g_autofree char *text = berth_reach_rule_to_text (rule);

        if (strlen (text) + 2 > room)
          return;
        room -= add_hint (hints, "!", rule);
      }
  for (guint i = 0; i < rules->len; i++)
    {
      const BerthReachRule *rule = rules->pdata[i];
      g_autoptr (GInetAddress) address
          = rule->is_address ? g_inet_address_new_from_string (rule->name) : NULL;
      g_autofree char *hint = g_strconcat ("!", rule->name, NULL);

      if (address == NULL || !berth_reach_networks_have (self->denied, address))
        continue;
      if (strlen (hint) + 1 > room)
        return;
      g_strv_builder_add (hints, hint);
      room -= strlen (hint) + 1;
    }
}

/* (nullable): the rules of whoever says most of who asks */
static const GPtrArray *
policy_get_narrowest (const BerthReachPolicy *self)
{
  for (guint i = G_N_ELEMENTS (voices); i-- > 0;)
    if (self->voices[i].allow != NULL)
      return self->voices[i].allow;
  return NULL;
}

/* Who may reach all that is allowed has what its template, its user or the settings have; where
 * that is too long to be told, the host alone decides. */
char **
berth_reach_policy_dup_hints (const BerthReachPolicy *self, const GPtrArray *rules)
{
  static const char *const everything[] = { "*", NULL };
  g_autoptr (GStrvBuilder) hints = g_strv_builder_new ();
  g_auto (GStrv) texts = NULL;
  gsize total = 0;
  const GPtrArray *all = policy_get_narrowest (self);

  for (guint i = 0; i < rules->len; i++)
    {
      const BerthReachRule *rule = rules->pdata[i];
      gboolean is_all = g_str_equal (rule->name, "*") && rule->has_any_port;

      if (!is_all || all == NULL)
        total += add_hint (hints, "", rule);
      for (guint j = 0; is_all && all != NULL && j < all->len; j++)
        total += add_hint (hints, "", all->pdata[j]);
    }
  if (total <= HINTS_MAX)
    policy_add_denied_hints (self, hints, rules, HINTS_MAX - total);
  texts = g_strv_builder_end (hints);
  if (total <= HINTS_MAX)
    return g_steal_pointer (&texts);
  return g_strdupv ((char **)everything);
}

gboolean
berth_reach_policy_has_address (const BerthReachPolicy *self, GInetAddress *address, guint16 port)
{
  g_autoptr (GPtrArray) denied = berth_reach_policy_dup_denied (self, port);

  return !berth_reach_networks_have (denied, address)
         && (berth_reach_address_get_use (address) == NULL
             || berth_reach_networks_have (self->private, address));
}

/* ---- the proxy ---- */

gboolean
berth_reach_policy_set_proxy (BerthReachPolicy *self, const char *proxy, const char *const *direct,
                              GError **error)
{
  g_autoptr (BerthReachProxy) parsed = berth_reach_proxy_parse (proxy, error);

  if (parsed == NULL)
    return FALSE;
  self->direct = parse_denied (direct, error);
  if (self->direct == NULL)
    return FALSE;
  self->direct_networks = g_ptr_array_new_with_free_func (g_object_unref);
  add_networks (self->direct_networks, direct);
  self->proxy = g_strdup (proxy);
  return TRUE;
}

/* What it means is this machine, and would be the proxy's. */
static gboolean
is_local (const char *name)
{
  return g_str_equal (name, "localhost") || g_str_has_suffix (name, ".localhost");
}

const char *
berth_reach_policy_get_proxy (const BerthReachPolicy *self, const char *name, guint16 port)
{
  g_autoptr (GInetAddress) address
      = self->proxy != NULL ? g_inet_address_new_from_string (name) : NULL;

  if (self->proxy == NULL || is_local (name)
      || (address != NULL ? berth_reach_networks_have (self->direct_networks, address)
                          : berth_reach_rules_fit (self->direct, name, port)))
    return NULL;
  return self->proxy;
}

/* ---- what is asked for ---- */

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
voice_has_port (const Voice *self, const BerthReachRule *rule, guint16 port)
{
  return (self->allow == NULL || has_at_port (self->allow, rule, port))
         && (self->deny == NULL || !has_at_port (self->deny, rule, port));
}

static gboolean
voice_has (const Voice *self, const BerthReachRule *rule)
{
  if (rule->has_any_port)
    return voice_has_port (self, rule, 0);
  for (guint i = 0; i < rule->n_ports; i++)
    if (!voice_has_port (self, rule, rule->ports[i]))
      return FALSE;
  return TRUE;
}

static char *
voice_dup_allowed (const Voice *self, BerthReachVoice voice)
{
  g_auto (GStrv) allowed = self->allow != NULL ? berth_reach_rules_to_texts (self->allow) : NULL;
  g_auto (GStrv) denied = berth_reach_rules_to_texts (self->deny);
  g_autofree char *names = g_strjoinv (" ", allowed != NULL ? allowed : denied);
  g_autofree char *others = g_strjoinv (" ", denied);

  if (allowed == NULL)
    return g_strdup_printf ("%s has %.400s", voices[voice].deny, others);
  if (names[0] == '\0')
    return g_strdup_printf ("%s has no name; have the administrator of berthd add it",
                            voices[voice].allow);
  return g_strdup_printf (
      "%s has %.400s%s%s%s%.200s", voices[voice].allow, names, others[0] != '\0' ? ", but " : "",
      others[0] != '\0' ? voices[voice].deny : "", others[0] != '\0' ? " has " : "", others);
}

static gboolean
policy_check (const BerthReachPolicy *self, const BerthReachRule *rule, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *allowed = NULL;
  guint voice = 0;

  if (g_str_equal (rule->name, "*"))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "'*' is no name to allow: name them, or ask for all that is allowed "
                   "(--allow-all)");
      return FALSE;
    }
  while (voice < G_N_ELEMENTS (voices) && voice_has (&self->voices[voice], rule))
    voice++;
  if (voice == G_N_ELEMENTS (voices))
    return TRUE;
  text = berth_reach_rule_to_text (rule);
  allowed = voice_dup_allowed (&self->voices[voice], voice);
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

/* Whether some rule has @name at @port; 0: at all of them, or @is_any: at some */
static gboolean
fits (const GPtrArray *rules, const char *name, guint16 port, gboolean is_any)
{
  for (guint i = 0; i < rules->len; i++)
    {
      const BerthReachRule *rule = rules->pdata[i];
      guint16 some = rule->has_any_port ? 1 : is_any ? rule->ports[0] : 0;

      if (berth_reach_rule_fits (rule, name, port != 0 ? port : some))
        return TRUE;
    }
  return FALSE;
}

const char *
berth_reach_policy_get_problem (const BerthReachPolicy *self, const GPtrArray *rules,
                                const char *name, guint16 port, char **out_name)
{
  *out_name = berth_reach_name_normalize (name);
  if (*out_name == NULL)
    return "it is no name";
  if (!fits (rules, *out_name, port, TRUE))
    return "the sandbox did not ask for it";
  for (guint i = 0; i < G_N_ELEMENTS (voices); i++)
    {
      const Voice *voice = &self->voices[i];

      if (voice->allow != NULL && !fits (voice->allow, *out_name, port, TRUE))
        return voices[i].not_allowed;
      if (voice->deny != NULL && fits (voice->deny, *out_name, port, FALSE))
        return voices[i].denied;
    }
  return NULL;
}
