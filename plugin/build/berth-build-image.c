/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which of a guest's words about an image are believed. All of them end in a template,
 * whose own check says whether they may stand there. */
#include "plugin/build/berth-build-image.h"

#include <string.h>

#include "plugin/base/berth-printable.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

#define TEXT_MAX (512u * 1024)
#define LINES_MAX 512u

void
berth_build_image_free (BerthBuildImage *self)
{
  g_free (self->language);
  g_free (self->user);
  g_free (self->workdir);
  g_strfreev (self->entry);
  g_strfreev (self->env);
  g_strfreev (self->has);
  g_strfreev (self->lacks);
  g_free (self);
}

/* The lists while they grow */
typedef struct
{
  GStrvBuilder *entry;
  GStrvBuilder *env;
  GStrvBuilder *has;
  GStrvBuilder *lacks;
} Lists;

static void
take_text (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

/* Words that another version may say are nothing to this one. */
static void
image_take (BerthBuildImage *self, Lists *lists, const char *word, const char *value)
{
  if (g_str_equal (word, "language"))
    take_text (&self->language, value);
  else if (g_str_equal (word, "user"))
    take_text (&self->user, value);
  else if (g_str_equal (word, "workdir"))
    take_text (&self->workdir, value);
  else if (g_str_equal (word, "entry"))
    g_strv_builder_add (lists->entry, value);
  else if (g_str_equal (word, "env"))
    g_strv_builder_add (lists->env, value);
  else if (g_str_equal (word, "has"))
    g_strv_builder_add (lists->has, value);
  else if (g_str_equal (word, "lacks"))
    g_strv_builder_add (lists->lacks, value);
}

static gboolean
image_take_line (BerthBuildImage *self, Lists *lists, const char *line)
{
  const char *space = strchr (line, ' ');
  g_autofree char *word = space != NULL ? g_strndup (line, (gsize)(space - line)) : NULL;
  g_autofree char *value = space != NULL ? g_uri_unescape_string (space + 1, NULL) : NULL;

  if (value == NULL || !g_utf8_validate (value, -1, NULL))
    return FALSE;
  image_take (self, lists, word, value);
  return TRUE;
}

static gboolean
image_take_lines (BerthBuildImage *self, Lists *lists, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", (gint)LINES_MAX + 1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (i == LINES_MAX || (lines[i][0] != '\0' && !image_take_line (self, lists, lines[i])))
      return FALSE;
  return self->language != NULL && berth_template_check_language (self->language, NULL)
         && (self->user == NULL
             || g_regex_match_simple ("^[1-9][0-9]{0,8}:[0-9]{1,9}\\z", self->user, G_REGEX_RAW,
                                      0));
}

BerthBuildImage *
berth_build_image_parse (const char *text, GError **error)
{
  g_autoptr (BerthBuildImage) self = g_new0 (BerthBuildImage, 1);
  g_autoptr (GStrvBuilder) entry = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) env = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) has = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) lacks = g_strv_builder_new ();
  Lists lists = { entry, env, has, lacks };
  gboolean ok = strlen (text) <= TEXT_MAX && image_take_lines (self, &lists, text);

  self->entry = g_strv_builder_end (entry);
  self->env = g_strv_builder_end (env);
  self->has = g_strv_builder_end (has);
  self->lacks = g_strv_builder_end (lacks);
  if (ok)
    return g_steal_pointer (&self);
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "the image: what its VM tells of it can't be read, as a template keeps it: "
                       "its configuration has too much, or something in it has changed the VM");
  return NULL;
}

/* (nullable): the rest of the row that begins with @language */
static const char *
find_row (char **rows, const char *language)
{
  gsize length = strlen (language);

  for (guint i = 0; rows[i] != NULL; i++)
    if (strncmp (rows[i], language, length) == 0 && rows[i][length] == ' ')
      return rows[i] + length + 1;
  return NULL;
}

gboolean
berth_build_image_check_language (const BerthBuildImage *self, const char *language, GError **error)
{
  const char *problem = find_row (self->lacks, language);
  g_autofree char *shown = NULL;

  if (g_str_equal (language, BERTH_TEMPLATE_NO_LANGUAGE) || find_row (self->has, language) != NULL)
    return TRUE;
  shown = berth_printable_dup (problem != NULL ? problem : "it has no program for it", FALSE);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "the image can't run %s: %s", language,
               shown);
  return FALSE;
}
