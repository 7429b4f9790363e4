/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what a line of a Berthfile may say, and what comes of it. */
#include "plugin/build/berth-build-spec.h"

#include <string.h>

#include "plugin/build/berth-build-refuse.h"
#include "plugin/template/berth-template.h"

#define TEXT_MAX (1024 * 1024)
#define STEPS_MAX 1000u
#define ENV_MAX 32u
#define ENV_PATTERN "^[A-Za-z_][A-Za-z0-9_]{0,255}=[^\\x00-\\x08\\x0a-\\x1f\\x7f]{0,4096}\\z"
#define NAME_PATTERN "^[a-z][a-z0-9-]{0,31}\\z"
#define USER_PATTERN "^[a-z_][a-z0-9_-]{0,31}\\z"
/* What is made anew in each VM, on top of whatever a layer has there */
#define PASSING "^/+(home/+user|tmp|var/+tmp|run|proc|sys|dev|root)(/|\\z)"

static const char *const kind_words[] = { "apt", "pip", "npm", "copy", "run" };

static void
step_free (BerthBuildStep *step)
{
  g_free (step->user);
  g_ptr_array_unref (step->values);
  g_ptr_array_unref (step->files);
  g_strfreev (step->env);
  g_free (step);
}

const char *
berth_build_kind_get_word (BerthBuildKind kind)
{
  return kind_words[kind];
}

BerthBuildSpec *
berth_build_spec_new (void)
{
  BerthBuildSpec *self = g_new0 (BerthBuildSpec, 1);

  self->user = g_strdup ("root");
  self->folder = g_get_current_dir ();
  self->steps = g_ptr_array_new_with_free_func ((GDestroyNotify)step_free);
  self->env = g_ptr_array_new_with_free_func (g_free);
  self->text = g_string_new (NULL);
  self->build_memory_mb = 1024;
  self->timeout_s = 3600;
  self->max_mb = 1024;
  return self;
}

void
berth_build_spec_free (BerthBuildSpec *self)
{
  g_free (self->name);
  g_free (self->reference);
  g_free (self->sign);
  g_free (self->from);
  g_free (self->oci);
  g_free (self->language);
  g_free (self->user);
  g_free (self->folder);
  g_free (self->socket);
  g_free (self->config);
  g_free (self->image_dir);
  g_free (self->template_dir);
  g_ptr_array_unref (self->steps);
  g_ptr_array_unref (self->env);
  g_string_free (self->text, TRUE);
  g_free (self);
}

static GStrv
dup_env (BerthBuildSpec *self)
{
  g_autoptr (GStrvBuilder) env = g_strv_builder_new ();

  for (guint i = 0; i < self->env->len; i++)
    g_strv_builder_add (env, self->env->pdata[i]);
  return g_strv_builder_end (env);
}

/* Packages go to the step before where that is of their kind: one command for all of them. */
static BerthBuildStep *
spec_add_step (BerthBuildSpec *self, BerthBuildKind kind)
{
  BerthBuildStep *last = self->steps->len > 0 ? self->steps->pdata[self->steps->len - 1] : NULL;
  BerthBuildStep *step;

  if (last != NULL && last->kind == kind && kind <= BERTH_BUILD_NPM
      && g_str_equal (last->user, self->user) && g_strv_length (last->env) == self->env->len)
    return last;
  step = g_new0 (BerthBuildStep, 1);
  step->kind = kind;
  step->user = g_strdup (self->user);
  step->values = g_ptr_array_new_with_free_func (g_free);
  step->files = g_ptr_array_new_with_free_func (g_free);
  step->env = dup_env (self);
  g_ptr_array_add (self->steps, step);
  return step;
}

/* (transfer full) (nullable): the file or folder of that name */
static char *
dup_local (BerthBuildSpec *self, const char *name, GError **error)
{
  g_autofree char *path = g_canonicalize_filename (name, self->folder);

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&path);
  berth_build_refuse (error, "%s: no such file or folder", path);
  return NULL;
}

static gboolean
is_by_hand (const char *value)
{
  static const char *const suffixes[] = { ".whl", ".deb", ".tgz", ".tar.gz", ".zip" };

  if (strchr (value, '/') != NULL && strstr (value, "://") == NULL && value[0] != '@')
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (g_str_has_suffix (value, suffixes[i]))
      return TRUE;
  return FALSE;
}

static gboolean
take_package (BerthBuildSpec *self, BerthBuildKind kind, const char *value, GError **error)
{
  g_autofree char *path = NULL;

  if (value[0] == '-' || strpbrk (value, " \t\r\n") != NULL || strlen (value) > 4096)
    return berth_build_refuse (error,
                               "%s %.80s: give one package, as 'pandas==2.2.3' or ./name.whl",
                               kind_words[kind], value);
  if (!is_by_hand (value))
    {
      g_ptr_array_add (spec_add_step (self, kind)->values, g_strdup (value));
      return TRUE;
    }
  path = dup_local (self, value, error);
  if (path == NULL)
    return FALSE;
  g_string_append_printf (self->text, "%s %s\n", kind_words[kind], path);
  g_ptr_array_add (spec_add_step (self, kind)->files, g_steal_pointer (&path));
  return TRUE;
}

static gboolean
take_copy (BerthBuildSpec *self, const char *value, GError **error)
{
  const char *colon = strrchr (value, ':');
  g_autofree char *local = colon != NULL ? g_strndup (value, (gsize)(colon - value)) : NULL;
  g_autofree char *path = NULL;
  BerthBuildStep *step;

  if (colon == NULL || colon == value || colon[1] != '/'
      || g_regex_match_simple ("(^|/)\\.\\.(/|\\z)", colon + 1, 0, 0))
    return berth_build_refuse (
        error, "copy %.80s: give LOCAL:GUEST, GUEST absolute and without '..'", value);
  if (g_regex_match_simple (PASSING, colon + 1, G_REGEX_RAW, 0))
    return berth_build_refuse (
        error,
        "copy to %.80s: that is made anew in each VM, and hides what a layer has there: "
        "take another folder, as /opt",
        colon + 1);
  path = dup_local (self, local, error);
  if (path == NULL)
    return FALSE;
  g_string_append_printf (self->text, "copy %s:%s\n", path, colon + 1);
  step = spec_add_step (self, BERTH_BUILD_COPY);
  g_ptr_array_add (step->files, g_steal_pointer (&path));
  g_ptr_array_add (step->values, g_strdup (colon + 1));
  return TRUE;
}

/* A script, or '@' and the file that has it */
static gboolean
take_run (BerthBuildSpec *self, const char *value, GError **error)
{
  g_autofree char *path = NULL;
  g_autofree char *script = NULL;
  gsize size = 0;

  if (value[0] == '@')
    {
      path = dup_local (self, value + 1, error);
      if (path == NULL || !g_file_get_contents (path, &script, &size, error))
        return FALSE;
      if (size > TEXT_MAX / 2 || !g_utf8_validate (script, (gssize)size, NULL))
        return berth_build_refuse (error, "%s: must be UTF-8, and %d bytes at most", path,
                                   TEXT_MAX / 2);
    }
  g_ptr_array_add (spec_add_step (self, BERTH_BUILD_RUN)->values,
                   g_strdup (script != NULL ? script : value));
  g_string_append_printf (self->text, "run %s%s\n", path != NULL ? "@" : "",
                          path != NULL ? path : value);
  return TRUE;
}

static gboolean
take_env (BerthBuildSpec *self, const char *value, GError **error)
{
  gsize name = strcspn (value, "=") + 1;

  if (!g_regex_match_simple (ENV_PATTERN, value, 0, 0))
    return berth_build_refuse (error, "env %.80s: give NAME=VALUE, at most 4096 bytes of it",
                               value);
  for (guint i = 0; i < self->env->len; i++)
    if (strncmp (self->env->pdata[i], value, name) == 0)
      g_ptr_array_remove_index (self->env, i--);
  if (self->env->len == ENV_MAX)
    return berth_build_refuse (error, "env %.80s: a template has %u variables at most", value,
                               ENV_MAX);
  g_ptr_array_add (self->env, g_strdup (value));
  return TRUE;
}

static gboolean
take_word (char **field, const char *word, const char *value, const char *pattern, GError **error)
{
  if (!g_regex_match_simple (pattern, value, G_REGEX_RAW, 0))
    return berth_build_refuse (error, "%s '%.80s': give a name of lower-case letters, digits and -",
                               word, value);
  g_free (*field);
  *field = g_strdup (value);
  return TRUE;
}

static gboolean
take_memory (BerthBuildSpec *self, const char *value, GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (value, 10, 128, 1048576, &number, NULL))
    return berth_build_refuse (error, "memory '%.80s': give a number of MiB from 128 to 1048576",
                               value);
  self->memory_mb = (guint)number;
  return TRUE;
}

char *
berth_build_spec_split_place (const char *text, const char *folder, char **out_reference)
{
  char *path = g_canonicalize_filename (text, folder);

  *out_reference = NULL;
  for (const char *colon = strchr (text, ':');
       colon != NULL && !g_file_test (path, G_FILE_TEST_EXISTS); colon = strchr (colon + 1, ':'))
    {
      g_autofree char *place = g_strndup (text, (gsize)(colon - text));

      g_free (path);
      path = g_canonicalize_filename (place, folder);
      g_free (*out_reference);
      *out_reference = g_strdup (colon + 1);
    }
  if (*out_reference == NULL)
    *out_reference = g_strdup ("");
  return path;
}

/* (transfer full) (nullable): with its place absolute; NULL: it is in no file of this host */
static char *
dup_local_oci (BerthBuildSpec *self, const char *value)
{
  static const char *const kinds[] = { "oci-archive:", "oci:" };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_has_prefix (value, kinds[i]))
      {
        g_autofree char *name = NULL;
        g_autofree char *place
            = berth_build_spec_split_place (value + strlen (kinds[i]), self->folder, &name);

        return g_strconcat (kinds[i], place, *name != '\0' ? ":" : NULL, name, NULL);
      }
  return NULL;
}

/* KIND:PLACE. Of an archive and of a layout, a name in it may follow. What is written down must be
 * read as the same when the template is built again: a ':' or a space at an end would not be. */
static gboolean
take_oci (BerthBuildSpec *self, const char *value, GError **error)
{
  g_autofree char *path = dup_local_oci (self, value);
  g_autofree char *written = path != NULL ? g_strstrip (g_strdup (path)) : NULL;
  g_autofree char *again = path != NULL ? dup_local_oci (self, written) : NULL;

  if (g_strcmp0 (path, again) != 0)
    return berth_build_refuse (error,
                               "oci %.80s: give a place without a ':' or a space at its end, and "
                               "behind one ':' the name of an image in it",
                               value);
  if (path == NULL && !g_regex_match_simple ("^docker://[A-Za-z0-9][^\\s]{1,511}\\z", value, 0, 0))
    return berth_build_refuse (
        error,
        "oci %.80s: give oci-archive:FILE, oci:FOLDER or docker://HOST/NAME:TAG; of "
        "another kind, 'skopeo copy KIND:PLACE oci-archive:FILE' makes the first",
        value);
  g_free (self->oci);
  self->oci = path != NULL ? g_steal_pointer (&path) : g_strdup (value);
  g_string_append_printf (self->text, "oci %s\n", self->oci);
  return TRUE;
}

static gboolean
take_language (BerthBuildSpec *self, const char *value, GError **error)
{
  g_autoptr (GError) reason = NULL;

  if (!berth_template_check_language (value, &reason))
    return berth_build_refuse (error, "%s", reason->message);
  g_free (self->language);
  self->language = g_strdup (value);
  return TRUE;
}

static gboolean
take_line (BerthBuildSpec *self, const char *word, const char *value, GError **error)
{
  for (guint kind = 0; kind <= BERTH_BUILD_NPM; kind++)
    if (g_str_equal (word, kind_words[kind]))
      return take_package (self, kind, value, error);
  if (g_str_equal (word, "copy"))
    return take_copy (self, value, error);
  if (g_str_equal (word, "run"))
    return take_run (self, value, error);
  if (g_str_equal (word, "env"))
    return take_env (self, value, error);
  if (g_str_equal (word, "user"))
    return take_word (&self->user, word, value, USER_PATTERN, error);
  if (g_str_equal (word, "from"))
    return take_word (&self->from, word, value, NAME_PATTERN, error);
  if (g_str_equal (word, "memory"))
    return take_memory (self, value, error);
  if (g_str_equal (word, "oci"))
    return take_oci (self, value, error);
  if (g_str_equal (word, "language"))
    return take_language (self, value, error);
  return berth_build_refuse (
      error, "'%.40s': give from, oci, language, apt, pip, npm, copy, run, env, user or memory",
      word);
}

gboolean
berth_build_spec_take (BerthBuildSpec *self, const char *word, const char *value, GError **error)
{
  gsize length = self->text->len;

  if (!g_utf8_validate (value, -1, NULL))
    return berth_build_refuse (error, "%s: must be UTF-8", word);
  if (value[0] == '\0')
    return berth_build_refuse (error, "%.40s: give what it is of", word);
  if (strchr (value, '\n') != NULL)
    return berth_build_refuse (
        error, "%.40s: give one line%s", word,
        g_str_equal (word, "run") ? "; a script of several goes to a file: --run @FILE" : "");
  if (self->steps->len >= STEPS_MAX)
    return berth_build_refuse (error, "a template has %u steps at most", STEPS_MAX);
  if (!take_line (self, word, value, error))
    return FALSE;
  if (self->text->len == length) /* with the absolute names of files where they have some */
    g_string_append_printf (self->text, "%s %s\n", word, value);
  return TRUE;
}

gboolean
berth_build_spec_take_text (BerthBuildSpec *self, const char *text, const char *path,
                            GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *word = g_strstrip (lines[i]);
      gsize end = strcspn (word, " \t");
      g_autofree char *name = g_strndup (word, end);

      if (word[0] == '\0' || word[0] == '#')
        continue;
      if (!berth_build_spec_take (self, name, word + end + strspn (word + end, " \t"), error))
        {
          g_prefix_error (error, "%s:%u: ", path, i + 1);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
take_file (BerthBuildSpec *self, const char *name, GError **error)
{
  g_autofree char *path = dup_local (self, name, error);
  g_autofree char *text = NULL;
  g_autofree char *outer = NULL;
  gsize size = 0;
  gboolean ok;

  if (path == NULL || !g_file_get_contents (path, &text, &size, error))
    return FALSE;
  if (size > TEXT_MAX || strlen (text) != size)
    return berth_build_refuse (error, "%s: is no Berthfile", path);
  outer = g_steal_pointer (&self->folder);
  self->folder = g_path_get_dirname (path);
  ok = berth_build_spec_take_text (self, text, path, error);
  g_free (self->folder);
  self->folder = g_steal_pointer (&outer);
  return ok;
}

/* Of a step: in the order of the command line */
static gboolean
option_cb (const char *option, const char *value, gpointer data, GError **error)
{
  if (g_str_equal (option, "--file") || g_str_equal (option, "-f"))
    return take_file (data, value, error);
  return berth_build_spec_take (data, option + 2, value, error);
}

static void
add_step_entries (GOptionGroup *group)
{
#define STEP(name, help, metavar)                                                                  \
  {                                                                                                \
    name, 0, G_OPTION_FLAG_FILENAME, G_OPTION_ARG_CALLBACK, (gpointer)option_cb, help, metavar     \
  }
  const GOptionEntry entries[] = {
    STEP ("from", "The template that it stands on (default python)", "TEMPLATE"),
    STEP ("oci",
          "A container image instead: oci-archive:FILE, oci:FOLDER or docker://HOST/NAME:TAG",
          "IMAGE"),
    STEP ("language",
          "Of its VMs (default: as what it stands on, or what an image is found to have)", "LANG"),
    STEP ("apt", "A package of Debian, or a .deb file", "PACKAGE"),
    STEP ("pip", "A package of Python, or a .whl or .tar.gz file", "PACKAGE"),
    STEP ("npm", "A package of Node.js, or a .tgz file", "PACKAGE"),
    STEP ("copy", "A file, or what is in a folder; GUEST is absolute", "LOCAL:GUEST"),
    STEP ("run", "A line of bash, or '@' and a file of it", "SCRIPT"),
    STEP ("env", "A variable of the steps that follow, and of all programs of its VMs", "K=V"),
    STEP ("user", "Who the steps that follow are done as (default root)", "USER"),
    STEP ("memory", "MiB of its VMs (default: as the template that it stands on)", "MB"),
    { "file", 'f', G_OPTION_FLAG_FILENAME, G_OPTION_ARG_CALLBACK, (gpointer)option_cb,
      "Lines as 'pip numpy': one of the words above and what stands behind it", "BERTHFILE" },
    G_OPTION_ENTRY_NULL,
  };
#undef STEP

  g_option_group_add_entries (group, entries);
}

static void
add_build_entries (BerthBuildSpec *self, GOptionGroup *group)
{
  const GOptionEntry entries[] = {
    { "build-memory", 0, 0, G_OPTION_ARG_INT, &self->build_memory_mb,
      "MiB of the VM that it is built in: a third of it bounds the layer (default 1024)", "MB" },
    { "refresh", 0, 0, G_OPTION_ARG_NONE, &self->refresh,
      "Build although there is a layer of the same steps, as an index may have newer packages",
      NULL },
    G_OPTION_ENTRY_NULL,
  };

  add_step_entries (group);
  g_option_group_add_entries (group, entries);
}

static void
add_registry_entries (BerthBuildSpec *self, GOptionGroup *group)
{
  const GOptionEntry entries[] = {
    { "timeout", 't', 0, G_OPTION_ARG_INT, &self->timeout_s,
      "Seconds that a step, or the registry, may take (default 3600)", "S" },
    { "max-size", 0, 0, G_OPTION_ARG_INT, &self->max_mb, "MiB that a layer may have (default 1024)",
      "MB" },
    { "plain-registry", 0, 0, G_OPTION_ARG_NONE, &self->plain,
      "A docker:// registry need not prove who it is (HTTP, or a certificate of its own)", NULL },
    G_OPTION_ENTRY_NULL,
  };

  g_option_group_add_entries (group, entries);
}

static void
add_push_entries (BerthBuildSpec *self, GOptionGroup *group)
{
  const GOptionEntry entries[] = {
    { "sign", 0, 0, G_OPTION_ARG_FILENAME, &self->sign,
      "A private key of Ed25519 (openssl genpkey -algorithm ed25519), which signs it", "KEY" },
    G_OPTION_ENTRY_NULL,
  };

  g_option_group_add_entries (group, entries);
}

static void
add_pull_entries (BerthBuildSpec *self, GOptionGroup *group)
{
  const GOptionEntry entries[] = {
    { "from", 0, 0, G_OPTION_ARG_STRING, &self->from,
      "A template of this host, whose domain it gets (default python)", "TEMPLATE" },
    G_OPTION_ENTRY_NULL,
  };

  g_option_group_add_entries (group, entries);
}

static void
add_remove_entries (BerthBuildSpec *self, GOptionGroup *group)
{
  const GOptionEntry entries[] = {
    { "snapshot", 0, 0, G_OPTION_ARG_NONE, &self->only_snapshot,
      "Remove no more than the snapshot and the warm VMs", NULL },
    G_OPTION_ENTRY_NULL,
  };

  g_option_group_add_entries (group, entries);
}

static void
add_history_entries (BerthBuildSpec *self, GOptionGroup *group)
{
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &self->json, "As one object", NULL },
    G_OPTION_ENTRY_NULL,
  };

  g_option_group_add_entries (group, entries);
}

static void
add_common_entries (BerthBuildSpec *self, GOptionGroup *group)
{
  const GOptionEntry entries[] = {
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &self->quiet, "Say only what goes wrong", NULL },
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &self->socket, "berthd's socket", "PATH" },
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &self->config,
      "Instead of the usual berth.conf, whose build_pip and its like name the indexes", "FILE" },
    { "dir", 0, 0, G_OPTION_ARG_FILENAME, &self->image_dir,
      "Where the image is kept (default: berth.conf's image_dir)", "DIR" },
    { "templates", 0, 0, G_OPTION_ARG_FILENAME, &self->template_dir,
      "Where the template goes (default: the last of berth.conf's template_dirs)", "DIR" },
    G_OPTION_ENTRY_NULL,
  };

  g_option_group_add_entries (group, entries);
}

/* ---- what is done ---- */

typedef struct
{
  const char *word;
  const char *arguments;
  int count; /* of these */
  const char *summary;
  void (*add_entries) (BerthBuildSpec *self, GOptionGroup *group);
  gboolean asks_registry;
} Act;

static const Act acts[] = {
  [BERTH_BUILD_MAKE]
  = { "build", "NAME", 1,
      "Builds a template: another one, and on top what the steps make of it, in a VM of its own.",
      add_build_entries, TRUE },
  [BERTH_BUILD_PUSH]
  = { "push", "TEMPLATE docker://HOST/NAME:TAG", 2,
      "Sends a template and its layers to a registry of images.", add_push_entries, TRUE },
  [BERTH_BUILD_PULL]
  = { "pull", "NAME docker://HOST/NAME:TAG", 2,
      "Gets a template that was pushed, and those of its layers that are not here.",
      add_pull_entries, TRUE },
  [BERTH_BUILD_REMOVE]
  = { "remove", "TEMPLATE", 1,
      "Removes a template that was built or pulled; of another one, its snapshot and warm VMs.",
      add_remove_entries, FALSE },
  [BERTH_BUILD_HISTORY]
  = { "history", "TEMPLATE", 1, "Tells what a template was made of.", add_history_entries, FALSE },
  [BERTH_BUILD_PRUNE]
  = { "prune", NULL, 0, "Removes layers that no template names and no VM has.", NULL, FALSE },
};

const char *
berth_build_act_get_word (BerthBuildAct act)
{
  return acts[act].word;
}

static gboolean
take_act (BerthBuildSpec *self, int *argc, char **argv, GError **error)
{
  for (guint i = 0; *argc > 1 && i < G_N_ELEMENTS (acts); i++)
    if (g_str_equal (argv[1], acts[i].word))
      {
        self->act = i;
        --*argc;
        memmove (argv + 1, argv + 2, (gsize)*argc * sizeof *argv); /* and what ends them */
        return TRUE;
      }
  return berth_build_refuse (
      error, "give what is to be done first: build, push, pull, remove, history or prune");
}

/* What was said of both excludes each other, and something is always below. */
static gboolean
settle_base (BerthBuildSpec *self, GError **error)
{
  if (self->oci != NULL && self->from != NULL)
    return berth_build_refuse (error, "from %s and oci %s: a template stands on one of them",
                               self->from, self->oci);
  if (self->from == NULL)
    self->from = g_strdup (self->oci != NULL ? "shell" : BERTH_BUILD_FROM);
  return TRUE;
}

static gboolean
check_numbers (BerthBuildSpec *self, GError **error)
{
  if (self->build_memory_mb < 128 || self->build_memory_mb > 1048576)
    return berth_build_refuse (error, "--build-memory: give a number of MiB from 128 to 1048576");
  if (self->timeout_s < 1 || self->timeout_s > 86400)
    return berth_build_refuse (error, "--timeout: give a number of seconds from 1 to 86400");
  if (self->max_mb < 1 || self->max_mb > 1048576)
    return berth_build_refuse (error, "--max-size: give a number of MiB from 1 to 1048576");
  return TRUE;
}

static gboolean
take_arguments (BerthBuildSpec *self, int argc, char **argv, GError **error)
{
  const Act *act = &acts[self->act];

  if (argc != act->count + 1)
    return berth_build_refuse (error, "it is 'berth template %s %s': '--help' says more", act->word,
                               act->arguments != NULL ? act->arguments : "");
  if (act->count == 2)
    self->reference = g_strdup (argv[2]);
  return act->count == 0 || take_word (&self->name, "template", argv[1], NAME_PATTERN, error);
}

gboolean
berth_build_spec_parse (BerthBuildSpec *self, int *argc, char ***argv, GError **error)
{
  g_autoptr (GOptionContext) context = NULL;
  GOptionGroup *group = g_option_group_new ("build", "", "", self, NULL);
  g_autoptr (GError) reason = NULL;
  const Act *act;

  if (!take_act (self, argc, *argv, error))
    {
      g_option_group_unref (group);
      return FALSE;
    }
  act = &acts[self->act];
  if (act->add_entries != NULL)
    act->add_entries (self, group);
  if (act->asks_registry)
    add_registry_entries (self, group);
  add_common_entries (self, group);
  context = g_option_context_new (act->arguments);
  g_option_context_set_main_group (context, group);
  g_option_context_set_summary (context, act->summary);
  if (!g_option_context_parse (context, argc, argv, &reason))
    return berth_build_refuse (error, "%s", reason->message);
  return take_arguments (self, *argc, *argv, error) && settle_base (self, error)
         && check_numbers (self, error);
}
