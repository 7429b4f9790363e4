/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks berth's own element: in plain words first, then against the schema, so that neither can
 * let pass what the other forbids. */
#include <string.h>

#include "agent/berth-language.h"
#include "agent/berth-path.h"
#include "agent/berth-protocol.h"
#include "berth-template-private.h"

typedef enum
{
  VALUE_PATTERN,
  VALUE_NUMBER,
} ValueKind;

typedef struct
{
  const char *name;
  const char *fallback; /* NULL where the attribute must be there */
  ValueKind kind;
  const char *pattern;
  guint64 min;
  guint64 max;
  const char *allowed;
} AttributeRule;

static const AttributeRule template_rules[] = {
  { "name", NULL, VALUE_PATTERN, "^[a-z][a-z0-9-]{0,31}\\z", 0, 0,
    "a name: a-z, then up to 31 of a-z 0-9 -" },
  { "language", NULL, VALUE_PATTERN,
    "^(" BERTH_LANGUAGE_PATTERN "|" BERTH_TEMPLATE_NO_LANGUAGE ")\\z", 0, 0,
    BERTH_LANGUAGE_WORDS ", or " BERTH_TEMPLATE_NO_LANGUAGE },
  { "memory", NULL, VALUE_NUMBER, NULL, 128, 1048576, "a number of MiB from 128 to 1048576" },
  { "vcpus", "1", VALUE_NUMBER, NULL, 1, 64, "a number from 1 to 64" },
  { "boot-timeout", "60", VALUE_NUMBER, NULL, 1, 3600, "a number of seconds from 1 to 3600" },
  { "fresh", "no", VALUE_PATTERN, "^(yes|no)\\z", 0, 0, "yes or no" },
  { "user", "1000:1000", VALUE_PATTERN, "^[1-9][0-9]{0,8}:[0-9]{1,9}\\z", 0, 0,
    "two numbers, UID:GID, the first of them not root's" },
  { .name = NULL },
};

static const AttributeRule layer_rules[] = {
  { "name", NULL, VALUE_PATTERN, "^[a-z0-9][a-z0-9._-]{0,63}\\z", 0, 0,
    "a layer's name: a-z or 0-9, then up to 63 of a-z 0-9 . _ -" },
  { .name = NULL },
};

/* Each may be left out, and may be empty. */
static const AttributeRule network_rules[] = {
  { "allow", "", VALUE_PATTERN, "^", 0, 0, NULL },
  { "deny", "", VALUE_PATTERN, "^", 0, 0, NULL },
  { "private", "", VALUE_PATTERN, "^", 0, 0, NULL },
  { .name = NULL },
};

static const AttributeRule entry_rules[] = {
  { "workdir", "/", VALUE_PATTERN, "^/[^\\x00-\\x1f\\x7f]{0,4095}\\z", 0, 0, "an absolute path" },
  { .name = NULL },
};

/* What XML can carry in an attribute */
static const AttributeRule arg_rules[] = {
  { "value", NULL, VALUE_PATTERN, "^[^\\x00-\\x08\\x0b-\\x1f]{0,8192}\\z", 0, 0,
    "an argument of 8192 bytes at most" },
  { .name = NULL },
};

static const AttributeRule env_rules[] = {
  { "name", NULL, VALUE_PATTERN, "^[A-Za-z_][A-Za-z0-9_]{0,255}\\z", 0, 0,
    "a variable's name: a letter or _, then up to 255 of letters, digits and _" },
  { "value", NULL, VALUE_PATTERN, "^[^\\x00-\\x08\\x0a-\\x1f\\x7f]{0,4096}\\z", 0, 0,
    "its value: at most 4096 bytes, and no control characters but TAB" },
  { .name = NULL },
};

static void
element_error (GError **error, const xmlNode *node, const char *message)
{
  berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node, "%s", message);
}

static char *
dup_value (const xmlNode *node, const AttributeRule *rule)
{
  char *value = berth_xml_dup_attribute (node, rule->name);

  return value != NULL ? value : g_strdup (rule->fallback);
}

static gboolean
is_allowed (const AttributeRule *rule, const char *value)
{
  if (rule->kind == VALUE_NUMBER)
    return g_ascii_string_to_unsigned (value, 10, rule->min, rule->max, NULL, NULL);

  return g_regex_match_simple (rule->pattern, value, G_REGEX_RAW, 0);
}

static gboolean
check_known (const xmlNode *node, const AttributeRule *rules, GError **error)
{
  for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
    {
      const AttributeRule *rule = rules;
      g_autoptr (GString) names = g_string_new (NULL);

      for (; rule->name != NULL; rule++)
        {
          if (attribute->ns == NULL && strcmp ((const char *)attribute->name, rule->name) == 0)
            break;
          g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", rule->name);
        }
      if (rule->name == NULL)
        {
          berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node,
                               "<berth:%s> has no attribute '%s'; allowed: %s", node->name,
                               attribute->name, names->str);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
check_attributes (const xmlNode *node, const AttributeRule *rules, GError **error)
{
  if (!check_known (node, rules, error))
    return FALSE;

  for (const AttributeRule *rule = rules; rule->name != NULL; rule++)
    {
      g_autofree char *value = dup_value (node, rule);

      if (value == NULL)
        {
          berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node,
                               "<berth:%s> lacks the attribute %s, %s", node->name, rule->name,
                               rule->allowed);
          return FALSE;
        }
      if (!is_allowed (rule, value))
        {
          berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node, "%s='%.64s' must be %s",
                               rule->name, value, rule->allowed);
          return FALSE;
        }
    }

  return TRUE;
}

/* (transfer full) (nullable): what white space is between; NULL: there is no such attribute */
static GStrv
dup_list (const xmlNode *node, const char *name)
{
  g_autofree char *value = berth_xml_dup_attribute (node, name);
  g_auto (GStrv) parts = value != NULL ? g_strsplit_set (value, " \t\n", -1) : NULL;
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();

  if (value == NULL)
    return NULL;
  for (guint i = 0; parts[i] != NULL; i++)
    if (parts[i][0] != '\0')
      g_strv_builder_add (list, parts[i]);
  return g_strv_builder_end (list);
}

/* The very code that will use it looks at it. */
static gboolean
check_network_words (const xmlNode *node, GError **error)
{
  g_auto (GStrv) allow = dup_list (node, "allow");
  g_auto (GStrv) deny = dup_list (node, "deny");
  g_auto (GStrv) private = dup_list (node, "private");
  const BerthReachWords words = { .allow = (const char *const *)allow,
                                  .deny = (const char *const *)deny,
                                  .private = (const char *const *)private };
  g_autoptr (BerthReachPolicy) policy = berth_reach_policy_new (FALSE);
  g_autoptr (GError) problem = NULL;

  if (berth_reach_policy_add (policy, BERTH_REACH_OF_TEMPLATE, &words, &problem))
    return TRUE;
  element_error (error, node, problem->message);
  return FALSE;
}

static gboolean
check_network (const xmlNode *node, gboolean *is_there, GError **error)
{
  if (*is_there || node->children != NULL)
    {
      element_error (error, node, "<berth:network> must be empty, and there may be one only");
      return FALSE;
    }
  *is_there = TRUE;
  return check_attributes (node, network_rules, error) && check_network_words (node, error);
}

/* @bytes: of all of them */
static gboolean
check_arg (const xmlNode *node, guint *count, gsize *bytes, GError **error)
{
  g_autofree char *value = berth_xml_dup_attribute (node, "value");

  if (berth_xml_is_blank (node))
    return TRUE;
  if (!berth_xml_is (node, BERTH_MARK_URI, "arg") || node->children != NULL)
    {
      element_error (error, node->type == XML_ELEMENT_NODE ? node : node->parent,
                     "in <berth:entry> only <berth:arg value='ARGUMENT'/> is allowed");
      return FALSE;
    }
  (*count)++;
  *bytes += value != NULL ? strlen (value) + 1 : 0;
  return check_attributes (node, arg_rules, error);
}

/* A program and its arguments; the program has a name. */
static gboolean
check_entry (const xmlNode *node, gboolean *is_there, GError **error)
{
  const xmlNode *first = berth_xml_child (node, BERTH_MARK_URI, "arg");
  g_autofree char *program = first != NULL ? berth_xml_dup_attribute (first, "value") : NULL;
  g_autofree char *workdir = berth_xml_dup_attribute (node, "workdir");
  guint count = 0;
  gsize bytes = 0;

  if (*is_there || program == NULL || *program == '\0')
    {
      element_error (error, node,
                     "<berth:entry> holds a program and its arguments, and there may be one only");
      return FALSE;
    }
  *is_there = TRUE;
  for (const xmlNode *arg = node->children; arg != NULL; arg = arg->next)
    if (!check_arg (arg, &count, &bytes, error))
      return FALSE;
  if (workdir != NULL && berth_path_problem (workdir, strlen (workdir)) != NULL)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node, "workdir='%.64s': %s", workdir,
                           berth_path_problem (workdir, strlen (workdir)));
      return FALSE;
    }
  if (bytes > BERTH_ARGS_BYTES_MAX)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node,
                           "<berth:entry> has %zu bytes of arguments; %u are allowed", bytes,
                           BERTH_ARGS_BYTES_MAX);
      return FALSE;
    }
  if (count <= BERTH_TEMPLATE_MAX_ARGS)
    return check_attributes (node, entry_rules, error);
  berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node,
                       "<berth:entry> has %u <berth:arg>; %d are allowed", count,
                       BERTH_TEMPLATE_MAX_ARGS);
  return FALSE;
}

/* One of several of a kind, each with a name of its own; @seen: theirs */
static gboolean
check_named (const xmlNode *node, const AttributeRule *rules, GHashTable *seen, GError **error)
{
  g_autofree char *name = NULL;

  if (!check_attributes (node, rules, error))
    return FALSE;
  if (node->children != NULL)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node, "<berth:%s> must be empty",
                           node->name);
      return FALSE;
    }

  name = berth_xml_dup_attribute (node, "name");
  if (!g_hash_table_add (seen, g_strdup (name)))
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node,
                           "%s '%s' is there already; each may be named once", node->name, name);
      return FALSE;
    }

  return TRUE;
}

/* What was seen so far of what may be there once */
typedef struct
{
  gboolean network;
  gboolean entry;
} Seen;

static gboolean
check_child (const xmlNode *node, GHashTable *layers, GHashTable *env, Seen *seen, GError **error)
{
  if (berth_xml_is_blank (node))
    return TRUE;
  if (berth_xml_is (node, BERTH_MARK_URI, "layer"))
    return check_named (node, layer_rules, layers, error);
  if (berth_xml_is (node, BERTH_MARK_URI, "env"))
    return check_named (node, env_rules, env, error);
  if (berth_xml_is (node, BERTH_MARK_URI, "network"))
    return check_network (node, &seen->network, error);
  if (berth_xml_is (node, BERTH_MARK_URI, "entry"))
    return check_entry (node, &seen->entry, error);
  element_error (error, node->type == XML_ELEMENT_NODE ? node : node->parent,
                 "in <berth:template> only <berth:layer name='NAME'/>, <berth:env name='NAME' "
                 "value='VALUE'/>, one <berth:network/> and one <berth:entry> are allowed");
  return FALSE;
}

static gboolean
check_numbers (const xmlNode *element, guint n_layers, guint n_env, GError **error)
{
  if (n_layers == 0 || n_layers > BERTH_TEMPLATE_MAX_LAYERS)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, element,
                           "<berth:template> has %u <berth:layer name='NAME'/>; 1 to %d are "
                           "allowed, the lowest first",
                           n_layers, BERTH_TEMPLATE_MAX_LAYERS);
      return FALSE;
    }
  if (n_env > BERTH_TEMPLATE_MAX_ENV)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, element,
                           "<berth:template> has %u <berth:env>; %d are allowed", n_env,
                           BERTH_TEMPLATE_MAX_ENV);
      return FALSE;
    }

  return TRUE;
}

static gboolean
check_children (const xmlNode *element, GError **error)
{
  g_autoptr (GHashTable) layers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) env = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Seen seen = { 0 };

  for (const xmlNode *node = element->children; node != NULL; node = node->next)
    {
      if (!check_child (node, layers, env, &seen, error))
        return FALSE;
    }

  return check_numbers (element, g_hash_table_size (layers), g_hash_table_size (env), error);
}

static void
keep_first_cb (void *user_data, xmlError *problem)
{
  char **first = user_data;

  if (*first == NULL && problem->message != NULL)
    *first = g_strstrip (g_strdup (problem->message));
}

static xmlRelaxNG *
load_schema (const char *path, GError **error)
{
  g_autofree char *data = NULL;
  g_autofree char *problem = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (xmlRelaxNGParserCtxt) context = NULL;
  xmlRelaxNG *schema = NULL;
  gsize length = 0;

  data = berth_xml_read_file (path, &length, error);
  doc = data != NULL ? berth_xml_parse (data, length, path, error) : NULL;
  if (doc == NULL)
    return NULL;

  context = xmlRelaxNGNewDocParserCtxt (doc);
  xmlRelaxNGSetParserStructuredErrors (context, keep_first_cb, &problem);
  schema = xmlRelaxNGParse (context);
  if (schema == NULL)
    g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE,
                 "%s: not a RELAX NG schema: %s", path, problem != NULL ? problem : "unknown");

  return schema;
}

static gboolean
check_schema (const xmlNode *element, const char *schema_path, GError **error)
{
  g_autofree char *problem = NULL;
  g_autoptr (xmlRelaxNG) schema = load_schema (schema_path, error);
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (xmlRelaxNGValidCtxt) context = NULL;

  if (schema == NULL)
    return FALSE;

  doc = xmlNewDoc ((const xmlChar *)"1.0");
  xmlDocSetRootElement (doc, xmlDocCopyNode ((xmlNode *)element, doc, 1));
  context = xmlRelaxNGNewValidCtxt (schema);
  xmlRelaxNGSetValidStructuredErrors (context, keep_first_cb, &problem);
  if (xmlRelaxNGValidateDoc (context, doc) == 0)
    return TRUE;

  berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, element, "against %s: %s", schema_path,
                       problem != NULL ? problem : "not valid");
  return FALSE;
}

/* the element, and that nothing else of berth is anywhere */
static xmlNode *
find_element (xmlDoc *doc, GError **error)
{
  xmlNode *root = xmlDocGetRootElement (doc);
  xmlNode *metadata = NULL;
  xmlNode *element = NULL;
  g_autoptr (xmlXPathObject) others = NULL;

  if (!berth_xml_is (root, NULL, "domain"))
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_DOMAIN, root,
                           "the root element is <%s>; it must be libvirt's <domain>, in no "
                           "namespace",
                           root->name);
      return NULL;
    }

  metadata = berth_xml_child (root, NULL, "metadata");
  element = metadata != NULL ? berth_xml_child (metadata, BERTH_MARK_URI, "template") : NULL;
  if (element == NULL)
    {
      element_error (error, metadata != NULL ? metadata : root,
                     "<metadata> must hold <berth:template name= language= memory=> with "
                     "xmlns:berth='" BERTH_MARK_URI "'");
      return NULL;
    }

  others = berth_xml_find (
      doc, "(//berth:* | //*[@berth:*])"
           "[not(ancestor-or-self::berth:template[parent::metadata/parent::domain])]"
           "| /domain/metadata/berth:template[position() > 1]");
  if (others == NULL || others->nodesetval->nodeNr > 0)
    {
      element_error (error, others != NULL ? others->nodesetval->nodeTab[0] : root,
                     "berth's namespace is for the one <berth:template> in <metadata>");
      return NULL;
    }

  return element;
}

/* Finds <berth:template>, which lives as long as @doc; NULL where something is wrong with it. */
xmlNode *
berth_template_check_element (xmlDoc *doc, const char *schema_path, GError **error)
{
  xmlNode *element = find_element (doc, error);

  if (element == NULL || !check_attributes (element, template_rules, error)
      || !check_children (element, error) || !check_schema (element, schema_path, error))
    return NULL;

  return element;
}

static const AttributeRule *
find_rule (const char *name)
{
  const AttributeRule *rule = template_rules;

  while (strcmp (rule->name, name) != 0)
    rule++;

  return rule;
}

static guint
read_number (const xmlNode *element, const char *name)
{
  g_autofree char *value = dup_value (element, find_rule (name));

  return (guint)g_ascii_strtoull (value, NULL, 10);
}

static gboolean
read_yes (const xmlNode *element, const char *name)
{
  g_autofree char *value = dup_value (element, find_rule (name));

  return strcmp (value, "yes") == 0;
}

static void
read_entry (BerthTemplateInfo *info, const xmlNode *entry)
{
  g_autoptr (GStrvBuilder) args = g_strv_builder_new ();

  for (const xmlNode *arg = berth_xml_child (entry, BERTH_MARK_URI, "arg"); arg != NULL;
       arg = berth_xml_next (arg, BERTH_MARK_URI, "arg"))
    {
      g_autofree char *value = berth_xml_dup_attribute (arg, "value");

      g_strv_builder_add (args, value);
    }
  info->entry = g_strv_builder_end (args);
  info->workdir = berth_xml_dup_attribute (entry, "workdir");
}

/* Reads an element that was checked. */
void
berth_template_info_read (BerthTemplateInfo *info, const xmlNode *element)
{
  g_autoptr (GStrvBuilder) layers = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) env = g_strv_builder_new ();
  const xmlNode *network;

  for (const xmlNode *layer = berth_xml_child (element, BERTH_MARK_URI, "layer"); layer != NULL;
       layer = berth_xml_next (layer, BERTH_MARK_URI, "layer"))
    {
      g_autofree char *name = berth_xml_dup_attribute (layer, "name");

      g_strv_builder_add (layers, name);
    }

  network = berth_xml_child (element, BERTH_MARK_URI, "network");
  if (network != NULL)
    {
      info->allow = dup_list (network, "allow");
      info->deny = dup_list (network, "deny");
      info->private = dup_list (network, "private");
    }
  for (const xmlNode *variable = berth_xml_child (element, BERTH_MARK_URI, "env"); variable != NULL;
       variable = berth_xml_next (variable, BERTH_MARK_URI, "env"))
    {
      g_autofree char *name = berth_xml_dup_attribute (variable, "name");
      g_autofree char *value = berth_xml_dup_attribute (variable, "value");
      g_autofree char *text = g_strconcat (name, "=", value, NULL);

      g_strv_builder_add (env, text);
    }

  if (berth_xml_child (element, BERTH_MARK_URI, "entry") != NULL)
    read_entry (info, berth_xml_child (element, BERTH_MARK_URI, "entry"));
  info->user = berth_xml_dup_attribute (element, "user");
  info->name = berth_xml_dup_attribute (element, "name");
  info->language = berth_xml_dup_attribute (element, "language");
  info->memory_mb = read_number (element, "memory");
  info->vcpus = read_number (element, "vcpus");
  info->boot_timeout_s = read_number (element, "boot-timeout");
  info->is_fresh = read_yes (element, "fresh");
  info->layers = g_strv_builder_end (layers);
  info->env = g_strv_builder_end (env);
}

void
berth_template_info_clear (BerthTemplateInfo *info)
{
  g_free (info->name);
  g_free (info->language);
  g_strfreev (info->layers);
  g_strfreev (info->allow);
  g_strfreev (info->deny);
  g_strfreev (info->private);
  g_strfreev (info->env);
  g_free (info->user);
  g_free (info->workdir);
  g_strfreev (info->entry);
}
