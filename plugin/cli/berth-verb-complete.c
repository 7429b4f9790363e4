/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* complete: what could stand in place of the last word of a command line. The functions of the
 * shells (completion/) ask it, so that nothing is listed twice: options come from the tables that
 * read them, arguments from the synopsis that --help shows, ids and templates from berthd. */
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"

/* A berthd that hangs must not hang the shell. */
#define LIMIT_S 3
/* Instead of a candidate: the shell completes files better than we could. */
#define FILES_LINE ":files\n"

/* The command line, as far as it is written. */
typedef struct
{
  const BerthVerb *verb;        /* NULL: the verb itself is written */
  GArray *entries;              /* GOptionEntry: what the verb takes */
  GPtrArray *arguments;         /* words (borrowed) that are no options, before the last one */
  const GOptionEntry *awaiting; /* nullable: takes the last word as its value */
  gboolean options_ended;
  const char *socket; /* nullable: --socket */
  char *before;       /* of the last word: "--name=", else "" */
  const char *word;   /* what is to be completed: the rest of it */
  GString *out;
} Line;

static void
line_clear (Line *self)
{
  g_clear_pointer (&self->entries, g_array_unref);
  g_clear_pointer (&self->arguments, g_ptr_array_unref);
  g_free (self->before);
  if (self->out != NULL)
    g_string_free (self->out, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Line, line_clear)

/* ---- what is written ---- */

static gboolean
takes_value (const GOptionEntry *entry)
{
  return entry->arg != G_OPTION_ARG_NONE;
}

/* "--name" and "--name=value" */
static const GOptionEntry *
find_long (Line *self, const char *word)
{
  gsize length = strcspn (word + 2, "=");

  for (guint i = 0; i < self->entries->len; i++)
    {
      const GOptionEntry *entry = &g_array_index (self->entries, GOptionEntry, i);

      if (strlen (entry->long_name) == length && strncmp (entry->long_name, word + 2, length) == 0)
        return entry;
    }
  return NULL;
}

/* Of "-qt" the t: the first letter that takes a value takes what follows it */
static const GOptionEntry *
find_short_with_value (Line *self, const char *word, const char **out_value)
{
  for (const char *letter = word + 1; *letter != '\0'; letter++)
    for (guint i = 0; i < self->entries->len; i++)
      {
        const GOptionEntry *entry = &g_array_index (self->entries, GOptionEntry, i);

        if (entry->short_name == *letter && takes_value (entry))
          {
            *out_value = letter + 1;
            return entry;
          }
      }
  return NULL;
}

static void
take_option (Line *self, const char *word)
{
  const char *value = "";
  const GOptionEntry *entry;

  if (g_str_has_prefix (word, "--"))
    {
      entry = find_long (self, word);
      value = strchr (word, '=') != NULL ? strchr (word, '=') + 1 : "";
    }
  else
    entry = find_short_with_value (self, word, &value);
  if (entry == NULL || !takes_value (entry))
    return;
  if (*value == '\0')
    self->awaiting = entry;
  else if (strcmp (entry->long_name, "socket") == 0)
    self->socket = value;
}

static void
take_word (Line *self, const char *word)
{
  if (self->awaiting != NULL)
    {
      if (strcmp (self->awaiting->long_name, "socket") == 0)
        self->socket = word;
      self->awaiting = NULL;
    }
  else if (!self->options_ended && strcmp (word, "--") == 0)
    self->options_ended = TRUE;
  else if (!self->options_ended && word[0] == '-' && word[1] != '\0')
    take_option (self, word);
  else
    g_ptr_array_add (self->arguments, (char *)word);
}

/* "--name=va" is completed as a value. */
static void
take_last_word (Line *self, const char *word)
{
  const char *equals = strchr (word, '=');
  const GOptionEntry *entry = NULL;

  if (self->awaiting == NULL && !self->options_ended && g_str_has_prefix (word, "--")
      && equals != NULL)
    entry = find_long (self, word);
  if (entry != NULL && takes_value (entry))
    {
      self->awaiting = entry;
      self->before = g_strndup (word, (gsize)(equals + 1 - word));
    }
  self->word = word + (self->before != NULL ? strlen (self->before) : 0);
}

/* ---- what could be written ---- */

static void
offer (Line *self, const char *candidate, const char *description)
{
  if (g_str_has_prefix (candidate, self->word))
    g_string_append_printf (self->out, "%s%s\t%s\n", self->before != NULL ? self->before : "",
                            candidate, description);
}

static GVariant *
ask (Line *self, const char *method, GVariant *arguments, const char *reply_type)
{
  g_autoptr (BerthClient) client = berth_client_new (self->socket, NULL);
  g_autoptr (GVariant) reply
      = client != NULL ? berth_client_call (client, method, arguments, reply_type, NULL, NULL)
                       : NULL;

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static gboolean
state_has_owner (const char *state)
{
  static const char *const states[]
      = { "claimed", "pausing", "paused", "waking", "hibernated", NULL };

  return g_strv_contains (states, state);
}

static void
offer_id (Line *self, GVariant *vm)
{
  const char *id = "", *state = "", *template_name = "", *tenant = "", *task = "";
  g_autofree char *description = NULL;

  g_variant_lookup (vm, "state", "&s", &state);
  if (!state_has_owner (state) || !g_variant_lookup (vm, "id", "&s", &id))
    return;
  g_variant_lookup (vm, "template", "&s", &template_name);
  g_variant_lookup (vm, "tenant", "&s", &tenant);
  g_variant_lookup (vm, "task", "&s", &task);
  description = g_strjoin (" ", template_name, tenant, task, NULL);
  offer (self, id, g_strchomp (description));
}

static void
offer_ids (Line *self)
{
  g_autoptr (GVariant) vms = ask (self, "List", NULL, "(aa{sv})");

  for (gsize i = 0; vms != NULL && i < g_variant_n_children (vms); i++)
    {
      g_autoptr (GVariant) vm = g_variant_get_child_value (vms, i);

      offer_id (self, vm);
    }
}

/* Of the sandbox that stands in front */
static void
offer_execs (Line *self)
{
  const char *id = self->arguments->len > 0 ? self->arguments->pdata[self->arguments->len - 1] : "";
  g_autoptr (GVariant) execs = g_utf8_validate (id, -1, NULL)
                                   ? ask (self, "Execs", g_variant_new ("(s)", id), "(aa{sv})")
                                   : NULL;

  for (gsize i = 0; execs != NULL && i < g_variant_n_children (execs); i++)
    {
      g_autoptr (GVariant) exec = g_variant_get_child_value (execs, i);
      g_autofree char *number = NULL;
      const char *state = "";
      guint32 value = 0;

      g_variant_lookup (exec, "exec", "u", &value);
      g_variant_lookup (exec, "state", "&s", &state);
      number = g_strdup_printf ("%u", value);
      offer (self, number, state);
    }
}

/* Of the sandbox that stands in front */
static void
offer_checkpoints (Line *self)
{
  const char *id = self->arguments->len > 0 ? self->arguments->pdata[self->arguments->len - 1] : "";
  g_autoptr (GVariant) all = g_utf8_validate (id, -1, NULL)
                                 ? ask (self, "Checkpoints", g_variant_new ("(s)", id), "(aa{sv})")
                                 : NULL;

  for (gsize i = 0; all != NULL && i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) checkpoint = g_variant_get_child_value (all, i);
      const char *name = "";

      g_variant_lookup (checkpoint, "name", "&s", &name);
      offer (self, name, "checkpoint");
    }
}

/* The status, unlike the list of templates, is for everybody. */
static void
offer_templates (Line *self)
{
  g_autoptr (GVariant) status = ask (self, "Status", NULL, "(a{sv})");
  g_autoptr (GVariant) templates
      = status != NULL ? g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT)
                       : NULL;
  GVariantIter iter;
  const char *name;

  if (templates == NULL)
    return;
  g_variant_iter_init (&iter, templates);
  while (g_variant_iter_next (&iter, "{&sv}", &name, NULL))
    offer (self, name, "template");
}

static void
offer_files (Line *self)
{
  g_string_append (self->out, FILES_LINE);
}

/* Behind the colon it is the guest's. */
static void
offer_files_to_carry (Line *self)
{
  if (strchr (self->word, ':') == NULL)
    offer_files (self);
}

/* What help calls by these words can be listed; the rest is for the user to make up. */
static void
offer_kind (Line *self, const char *kind)
{
  static const struct
  {
    const char *kind;
    void (*offer) (Line *self);
  } kinds[] = {
    { "ID", offer_ids },
    { "TEMPLATE", offer_templates },
    { "FILE", offer_files },
    { "LANG", offer_templates },
    { "PATH", offer_files },
    { "LOCAL:GUEST", offer_files_to_carry },
    { "LOCAL", offer_files },
    { "EXEC", offer_execs },
    { "CHECKPOINT", offer_checkpoints },
  };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].kind, kind) == 0)
      kinds[i].offer (self);
}

/* A word of a synopsis without what says that it may be left out or repeated */
static char *
bare_word (const char *word)
{
  const char *begin = word + (*word == '[' ? 1 : 0);

  return g_strndup (begin, strcspn (begin, "]."));
}

/* Walks a synopsis like "set TEMPLATE MIN [MAX] | fill [TEMPLATE]" along the arguments that are
 * there: words in small letters stand for themselves, others say what is wanted. A bar within
 * brackets parts what one argument may be, another one parts whole synopses. */
static void
offer_arguments (Line *self)
{
  g_auto (GStrv) words = g_strsplit (self->verb->help->synopsis, " ", -1);
  gboolean in_brackets = FALSE;
  gboolean fits = TRUE;
  guint position = 0;

  for (guint i = 0; words[i] != NULL; i++)
    {
      g_autofree char *name = bare_word (words[i]);
      gboolean is_literal = g_ascii_islower (name[0]);
      gboolean is_wanted = position == self->arguments->len || g_str_has_suffix (words[i], "...");

      if (strcmp (words[i], "|") == 0)
        {
          fits = fits || !in_brackets;
          position = in_brackets ? position : 0;
          continue;
        }
      if (fits && is_wanted && is_literal)
        offer (self, name, self->verb->name);
      else if (fits && is_wanted)
        offer_kind (self, name);
      else if (is_literal && position < self->arguments->len)
        fits = strcmp (name, self->arguments->pdata[position]) == 0;
      in_brackets = (in_brackets || words[i][0] == '[') && !g_str_has_suffix (words[i], "]");
      position += in_brackets ? 0 : 1;
    }
}

static void
offer_options (Line *self)
{
  offer (self, "--help", "what the verb does and takes");
  for (guint i = 0; i < self->entries->len; i++)
    {
      const GOptionEntry *entry = &g_array_index (self->entries, GOptionEntry, i);
      g_autofree char *name = g_strconcat ("--", entry->long_name, NULL);

      offer (self, name, entry->description);
    }
}

static void
offer_verbs (Line *self)
{
  for (const BerthVerb *verb = berth_verbs_get_all (); verb->name != NULL; verb++)
    offer (self, verb->name, verb->summary);
  if (self->word[0] != '-')
    return;
  offer (self, "--help", "what berth does, its verbs, examples");
  offer (self, "--version", "of berth");
}

static void
offer_what_fits (Line *self)
{
  if (self->verb == NULL)
    offer_verbs (self);
  else if (self->awaiting != NULL)
    offer_kind (self, self->awaiting->arg_description);
  else if (!self->options_ended && self->word[0] == '-')
    offer_options (self);
  else
    offer_arguments (self);
}

/**
 * berth_verb_complete:
 * @argc: of @argv
 * @argv: the words behind "berth", the last one of which is to be completed and may be empty
 *
 * Prints a line for each candidate: the whole word, a tab, what it is. A line ":files" stands for
 * any file.
 *
 * Returns: the exit status
 */
int
berth_verb_complete (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_auto (Line) line = { .arguments = g_ptr_array_new (), .out = g_string_new (NULL) };

  alarm (LIMIT_S);
  line.word = argc > 1 ? argv[argc - 1] : "";
  if (argc > 2)
    {
      line.verb = berth_verbs_find (argv[1]);
      if (line.verb == NULL)
        return BERTH_EXIT_OK;
      line.entries = berth_option_values_make_entries (&values, line.verb->help);
      for (int i = 2; i < argc - 1; i++)
        take_word (&line, argv[i]);
      take_last_word (&line, argv[argc - 1]);
    }
  offer_what_fits (&line);
  return berth_report_text (line.out->str);
}
