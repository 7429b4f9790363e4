/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool and template: what an administrator steers. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-table.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "plugin/config/berth-config.h"
#include "pool/berth-error.h"

#define WARM_MOST 4096u

const BerthVerbHelp berth_pool_help = {
  .synopsis = "set TEMPLATE MIN [MAX] | fill [TEMPLATE] | drain [TEMPLATE]",
  .summary = "Steers how many warm VMs stand by. 'berth status' shows them.",
  .description
  = "set     keeps MIN warm VMs ready, up to MAX when requests need them, until berthd ends\n"
    "        or reads its settings again (berth.conf's 'warm' holds then)\n"
    "fill    makes what is wanted, forgets failures, ends a drain\n"
    "drain   destroys the warm VMs, and makes none until 'fill'\n\nExamples:\n"
    "  berth pool set python 4\n"
    "  berth pool drain",
  .takes = 0,
  .max_arguments = 4,
};

const BerthVerbHelp berth_template_help = {
  .synopsis = "build NAME STEP... | push TEMPLATE IMAGE | pull NAME IMAGE | list | show TEMPLATE | "
              "validate FILE | snapshot TEMPLATE | remove TEMPLATE | history TEMPLATE | prune",
  .summary = "Shows what VMs are made of, and makes the snapshots that they are cloned from.",
  .description
  = "build     makes one: another template, and on top what is put or installed there, in a VM of\n"
    "          its own; 'berth template build --help' says of what\n"
    "push      sends one to a registry of images, docker://HOST/NAME:TAG, with its layers\n"
    "pull      gets one from there, and those of its layers that are not here; both say more by\n"
    "          --help\n"
    "list      every template, and its snapshot; MiB of layers that it shares, and of its own\n"
    "show      the domain XML that a VM of it gets\n"
    "validate  whether a file can be a template; else file, line and what is allowed\n"
    "snapshot  makes a new snapshot, now (berthd does it by itself when it needs one)\n"
    "remove    removes one that was built or pulled, unless a sandbox or another template needs "
    "it;\n"
    "          of others, or with --snapshot, the snapshot and its warm VMs: the next request "
    "makes\n"
    "          a new one\n"
    "history   the layers of a template, lowest first: since when, how large, made of what\n"
    "prune     removes layers that were built, and that no template names and no VM has\n\n"
    "Your own templates go to /etc/berth/templates.d.\n\nExamples:\n"
    "  berth template build science --from python --pip numpy --pip 'pandas==2.2.3'\n"
    "  berth template push science docker://registry.example.org/science:1\n"
    "  berth template list\n"
    "  berth template validate ./mine.xml",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 2,
};

/* One action of a verb: its words, and what it calls. */
typedef struct
{
  const char *name;
  int min_arguments;
  int max_arguments;
  const char *usage;
  int (*run) (BerthClient *client, gboolean json, char **arguments, GError **error);
} Action;

static int
call (BerthClient *client, const char *method, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) reply = berth_client_call_admin (client, method, arguments, "()", error);

  return reply != NULL ? BERTH_EXIT_OK : -1;
}

static gboolean
parse_count (const char *text, guint *out_count, GError **error)
{
  guint64 count;

  if (g_ascii_string_to_unsigned (text, 10, 0, WARM_MOST, &count, NULL))
    {
      *out_count = (guint)count;
      return TRUE;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "'%.40s': give a number from 0 to %u", text,
               WARM_MOST);
  return FALSE;
}

static int
pool_set (BerthClient *client, gboolean json, char **arguments, GError **error)
{
  guint min;
  guint max;

  if (!parse_count (arguments[1], &min, error)
      || !parse_count (arguments[2] != NULL ? arguments[2] : arguments[1], &max, error))
    return -1;
  return call (client, "SetWarm", g_variant_new ("(suu)", arguments[0], min, max), error);
}

/* "" stands for all templates */
static const char *
or_all (char **arguments)
{
  return arguments[0] != NULL ? arguments[0] : "";
}

static int
pool_fill (BerthClient *client, gboolean json, char **arguments, GError **error)
{
  return call (client, "Fill", g_variant_new ("(s)", or_all (arguments)), error);
}

static int
pool_drain (BerthClient *client, gboolean json, char **arguments, GError **error)
{
  return call (client, "Drain", g_variant_new ("(s)", or_all (arguments)), error);
}

static int
template_list (BerthClient *client, gboolean json, char **arguments, GError **error)
{
  static const char *const heads[]
      = { "TEMPLATE", "LANGUAGE", "MEMORY", "VCPUS", "LAYERS", "SHARED",
          "OWN",      "SNAPSHOT", "MB",     "FILE",  NULL };
  static const char *const keys[]
      = { "name",   "language", "memory_mb",   "vcpus", "layers", "shared_mb",
          "own_mb", "snapshot", "snapshot_mb", "path",  NULL };
  g_autoptr (GVariant) reply
      = berth_client_call_admin (client, "ListTemplates", NULL, "(aa{sv})", error);
  g_autoptr (GVariant) templates = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *table = NULL;

  if (templates == NULL)
    return -1;
  if (json)
    return berth_report_json (templates);
  table = berth_table_of (templates, heads, keys, "");
  g_string_append (text, table);
  for (gsize i = 0; i < g_variant_n_children (templates); i++)
    {
      g_autoptr (GVariant) template = g_variant_get_child_value (templates, i);
      const char *broken = NULL;

      if (g_variant_lookup (template, "error", "&s", &broken))
        g_string_append_printf (text, "left out: %s\n", broken);
    }
  return berth_report_text (text->str);
}

static int
template_show (BerthClient *client, gboolean json, char **arguments, GError **error)
{
  g_autoptr (GVariant) reply = berth_client_call_admin (
      client, "ShowTemplate", g_variant_new ("(s)", arguments[0]), "(s)", error);
  const char *xml;

  if (reply == NULL)
    return -1;
  g_variant_get (reply, "(&s)", &xml);
  return berth_report_text (xml);
}

static int
template_validate (BerthClient *client, gboolean json, char **arguments, GError **error)
{
  g_autofree char *path = g_canonicalize_filename (arguments[0], NULL);

  return call (client, "CheckTemplate", g_variant_new ("(s)", path), error);
}

static int
template_snapshot (BerthClient *client, gboolean json, char **arguments, GError **error)
{
  return call (client, "Snapshot", g_variant_new ("(s)", arguments[0]), error);
}

static const Action pool_actions[] = {
  { "set", 2, 3, "set TEMPLATE MIN [MAX]", pool_set },
  { "fill", 0, 1, "fill [TEMPLATE]", pool_fill },
  { "drain", 0, 1, "drain [TEMPLATE]", pool_drain },
  { NULL, 0, 0, NULL, NULL },
};

static const Action template_actions[] = {
  { "list", 0, 0, "list", template_list },
  { "show", 1, 1, "show TEMPLATE", template_show },
  { "validate", 1, 1, "validate FILE", template_validate },
  { "snapshot", 1, 1, "snapshot TEMPLATE", template_snapshot },
  { NULL, 0, 0, NULL, NULL },
};

static const Action *
find_action (const Action *actions, const BerthVerbHelp *help, int argc, char **argv,
             GError **error)
{
  const char *name = argc > 1 ? argv[1] : "";

  for (const Action *action = actions; action->name != NULL; action++)
    if (strcmp (action->name, name) == 0)
      {
        if (argc - 2 >= action->min_arguments && argc - 2 <= action->max_arguments)
          return action;
        g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "it is '%s %s'", g_get_prgname (),
                     action->usage);
        return NULL;
      }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "it is '%s %s'", g_get_prgname (),
               help->synopsis);
  return NULL;
}

static gboolean
check_utf8 (char **arguments, GError **error)
{
  for (guint i = 0; arguments[i] != NULL; i++)
    if (!berth_option_check_utf8 ("an argument", arguments[i], error))
      return FALSE;
  return TRUE;
}

static int
run_action (const Action *actions, const BerthVerbHelp *help, int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthClient) client = NULL;
  const Action *action = NULL;
  int status = -1;

  if (berth_option_values_parse (&values, help, &argc, &argv, &error))
    action = find_action (actions, help, argc, argv, &error);
  if (action != NULL && check_utf8 (argv + 2, &error))
    client = berth_client_new (values.socket, &error);
  if (client != NULL)
    status = action->run (client, values.json, argv + 2, &error);
  return error != NULL ? berth_report_error (error) : status;
}

/**
 * berth_verb_pool:
 * @argc: of @argv
 * @argv: options, an action and its arguments
 *
 * Returns: the exit status
 */
int
berth_verb_pool (int argc, char **argv)
{
  return run_action (pool_actions, &berth_pool_help, argc, argv);
}

/* What builds templates loads libxml2; no other verb pays for that. */
static int
become_builder (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) command = g_ptr_array_new ();
  g_autofree char *program = berth_config_dup_template_builder ();

  g_ptr_array_add (command, program);
  for (int i = 1; i <= argc; i++) /* and what ends them */
    g_ptr_array_add (command, argv[i]);
  execv (program, (char **)command->pdata);
  g_set_error (&error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s: %s: install the package berthd",
               program, g_strerror (errno));
  return berth_report_error (error);
}

/**
 * berth_verb_template:
 * @argc: of @argv
 * @argv: options, an action and its arguments
 *
 * Returns: the exit status
 */
int
berth_verb_template (int argc, char **argv)
{
  static const char *const of_builder[] = { "build", "push", "pull", "remove", "history", "prune" };

  for (guint i = 0; argc > 1 && i < G_N_ELEMENTS (of_builder); i++)
    if (strcmp (argv[1], of_builder[i]) == 0)
      return become_builder (argc, argv);
  return run_action (template_actions, &berth_template_help, argc, argv);
}
