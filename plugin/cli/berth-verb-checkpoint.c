/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint and rollback: what a sandbox was, kept, and the way back there. */
#include <string.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-table.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_checkpoint_help = {
  .synopsis = "ID NAME | create ID NAME | list [ID] | show ID CHECKPOINT | remove ID CHECKPOINT",
  .summary = "Keeps what a sandbox is now, under a name, while it goes on; or tells what is kept.",
  .description
  = "Variables, files and processes are kept on disk until 'remove', also when the sandbox ends\n"
    "and when the host restarts. 'berth rollback ID NAME' lets the sandbox go on from there, as\n"
    "often as you like; 'berth fork ID --checkpoint NAME' makes others that do, also when the\n"
    "sandbox is gone. A checkpoint is good for the template, image, QEMU, libvirt and CPU that it\n"
    "was made with; where one is another, berth says which. What runs then goes on in the\n"
    "background of whatever goes on from there.\n\n"
    "Exit status: 0, 126 when as many are kept as may be, 125 when none could be made, 2 when\n"
    "the request is wrong.\n\nExamples:\n"
    "  berth checkpoint $id before-migration\n"
    "  berth checkpoint list --json | jq -r '.[].name'\n"
    "  berth checkpoint remove $id before-migration",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 3,
};

const BerthVerbHelp berth_rollback_help = {
  .synopsis = "ID CHECKPOINT",
  .summary = "Lets a sandbox go on from what it was when the checkpoint was made.",
  .description
  = "Its id stays. It goes on in a new virtual machine, with random numbers and a clock of its\n"
    "own, which waits for a place beside the old one; then what runs in the old one ends, and\n"
    "whoever waits for that is told. Its published ports end with it. If it fails, the sandbox is\n"
    "as it was.\n\n"
    "Exit status: 0, 126 when berth is at capacity and you would not wait, 125 when it could not\n"
    "be done, 2 when the request is wrong.\n\nExample:\n"
    "  berth rollback $id before-migration",
  .takes = BERTH_TAKES_WAIT,
  .max_arguments = 2,
};

typedef struct
{
  BerthOptionValues values;
  BerthClient *client; /* nullable */
} Verb;

static void
verb_clear (Verb *self)
{
  berth_option_values_clear (&self->values);
  berth_client_free (self->client);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verb, verb_clear)

static gboolean
begin (Verb *self, const BerthVerbHelp *help, int *argc, char ***argv, GError **error)
{
  if (!berth_option_values_parse (&self->values, help, argc, argv, error))
    return FALSE;
  for (int i = 1; i < *argc; i++)
    if (!berth_option_check_utf8 ("an argument", (*argv)[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
begin_client (Verb *self, GError **error)
{
  self->client = berth_client_new (self->values.socket, error);
  return self->client != NULL;
}

static int
fail (const Verb *self, const GError *error)
{
  int status = berth_report_error (error);
  int signal_number = self->client != NULL ? berth_client_get_signal (self->client) : 0;

  return signal_number != 0 ? BERTH_EXIT_SIGNAL_BASE + signal_number : status;
}

static int
keep (Verb *self, const char *id, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = begin_client (self, &error) ? berth_client_call (
            self->client, "Checkpoint", g_variant_new ("(ss)", id, name), "(a{sv})", NULL, &error)
                                    : NULL;
  g_autoptr (GVariant) info = NULL;

  if (reply == NULL)
    return fail (self, error);
  info = g_variant_get_child_value (reply, 0);
  return self->values.json ? berth_report_json (info) : BERTH_EXIT_OK;
}

/* (transfer full) (nullable): aa{sv} */
static GVariant *
get_all (Verb *self, const char *id, GError **error)
{
  g_autoptr (GVariant) reply
      = begin_client (self, error) ? berth_client_call (
            self->client, "Checkpoints", g_variant_new ("(s)", id), "(aa{sv})", NULL, error)
                                   : NULL;

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

/* As it is shown: times and sizes for people */
static GVariant *
make_row (GVariant *checkpoint)
{
  GVariantDict row;
  gint64 created_s = 0;
  guint64 bytes = 0;
  g_autoptr (GDateTime) created = NULL;
  g_autofree char *when = NULL;
  g_autofree char *size = NULL;

  g_variant_lookup (checkpoint, "created", "x", &created_s);
  g_variant_lookup (checkpoint, "bytes", "t", &bytes);
  created = g_date_time_new_from_unix_local (created_s);
  when = created != NULL ? g_date_time_format (created, "%Y-%m-%d %H:%M:%S") : g_strdup ("");
  size = g_strdup_printf ("%.1f MiB", (double)bytes / (1024 * 1024));
  g_variant_dict_init (&row, checkpoint);
  g_variant_dict_insert (&row, "when", "s", when);
  g_variant_dict_insert (&row, "size", "s", size);
  return g_variant_dict_end (&row);
}

static int
list (Verb *self, const char *id)
{
  static const char *const heads[]
      = { "SANDBOX", "NAME", "TEMPLATE", "CREATED", "SIZE", "EXECS", "PARENT", NULL };
  static const char *const keys[]
      = { "sandbox_id", "name", "template", "when", "size", "exec_count", "parent", NULL };
  GVariantBuilder rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) all = get_all (self, id, &error);
  g_autoptr (GVariant) shown = NULL;
  g_autofree char *text = NULL;

  if (all == NULL)
    return fail (self, error);
  if (self->values.json)
    return berth_report_json (all);
  for (gsize i = 0; i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (all, i);

      g_variant_builder_add_value (&rows, make_row (one));
    }
  shown = g_variant_ref_sink (g_variant_builder_end (&rows));
  text = berth_table_of (shown, heads, keys, "");
  return berth_report_text (text);
}

/* (transfer full) (nullable) */
static GVariant *
find (GVariant *all, const char *name)
{
  for (gsize i = 0; i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (all, i);
      const char *its = "";

      g_variant_lookup (one, "name", "&s", &its);
      if (strcmp (its, name) == 0)
        return g_steal_pointer (&one);
    }
  return NULL;
}

static char *
describe (GVariant *checkpoint)
{
  static const char *const keys[]
      = { "name", "sandbox_id", "parent",    "template", "tenant",    "task", "when",
          "size", "exec_count", "memory_mb", "snapshot", "made_with", NULL };
  g_autoptr (GVariant) row = g_variant_ref_sink (make_row (checkpoint));
  GString *text = g_string_new (NULL);

  for (guint i = 0; keys[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (row, keys[i], NULL);
      g_autofree char *shown = NULL;

      if (value == NULL)
        continue;
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
        {
          g_autofree const char **words = g_variant_get_strv (value, NULL);

          shown = g_strjoinv (", ", (char **)words);
        }
      else
        shown = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                    ? g_variant_dup_string (value, NULL)
                    : g_variant_print (value, FALSE);
      if (*shown != '\0')
        g_string_append_printf (text, "%s: %s\n", keys[i], shown);
    }
  return g_string_free (text, FALSE);
}

static int
show (Verb *self, const char *id, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) all = get_all (self, id, &error);
  g_autoptr (GVariant) one = all != NULL ? find (all, name) : NULL;
  g_autofree char *text = NULL;

  if (one == NULL)
    {
      if (error == NULL)
        g_set_error (&error, BERTH_ERROR, BERTH_ERROR_INVALID,
                     "sandbox %s has no checkpoint %s: 'berth checkpoint list' shows which there "
                     "are",
                     id, name);
      return fail (self, error);
    }
  if (self->values.json)
    return berth_report_json (one);
  text = describe (one);
  return berth_report_text (text);
}

static int
remove_one (Verb *self, const char *id, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = begin_client (self, &error) ? berth_client_call (
            self->client, "RemoveCheckpoint", g_variant_new ("(ss)", id, name), "()", NULL, &error)
                                    : NULL;

  return reply != NULL ? BERTH_EXIT_OK : fail (self, error);
}

static int
say_synopsis (const BerthVerbHelp *help)
{
  g_autofree char *text = g_strdup_printf ("it is '%s %s'", g_get_prgname (), help->synopsis);

  berth_report_note (text);
  return BERTH_EXIT_INVALID;
}

static int
act (Verb *self, int argc, char **argv)
{
  static const char *const actions[] = { "create", "list", "show", "remove", NULL };
  const char *action = argc > 1 ? argv[1] : "";

  if (strcmp (action, "list") == 0 && argc <= 3)
    return list (self, argc > 2 ? argv[2] : "");
  if (argc == 3 && !g_strv_contains (actions, action)) /* nor is one an id */
    return keep (self, argv[1], argv[2]);
  if (argc == 4 && strcmp (action, "create") == 0)
    return keep (self, argv[2], argv[3]);
  if (argc == 4 && strcmp (action, "show") == 0)
    return show (self, argv[2], argv[3]);
  if (argc == 4 && strcmp (action, "remove") == 0)
    return remove_one (self, argv[2], argv[3]);
  return say_synopsis (&berth_checkpoint_help);
}

/**
 * berth_verb_checkpoint:
 * @argc: of @argv
 * @argv: options, what to do, a sandbox id and a name
 *
 * Returns: the exit status
 */
int
berth_verb_checkpoint (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;

  if (!begin (&self, &berth_checkpoint_help, &argc, &argv, &error))
    return berth_report_error (error);
  return act (&self, argc, argv);
}

/**
 * berth_verb_rollback:
 * @argc: of @argv
 * @argv: options, a sandbox id and a checkpoint's name
 *
 * Returns: the exit status
 */
int
berth_verb_rollback (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (BerthProgress) progress = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  if (!begin (&self, &berth_rollback_help, &argc, &argv, &error))
    return berth_report_error (error);
  if (argc != 3)
    return say_synopsis (&berth_rollback_help);
  if (self.values.no_wait)
    g_variant_dict_insert (&options, "wait_ms", "x", G_GINT64_CONSTANT (0));
  progress = berth_progress_new (FALSE);
  if (!begin_client (&self, &error))
    return fail (&self, error);
  berth_client_set_progress (self.client, progress);
  reply = berth_client_call (
      self.client, "Rollback",
      g_variant_new ("(ss@a{sv})", argv[1], argv[2], g_variant_dict_end (&options)), "()", NULL,
      &error);
  return reply != NULL ? BERTH_EXIT_OK : fail (&self, error);
}
