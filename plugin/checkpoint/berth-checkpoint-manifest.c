/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of a checkpoint, as text and back. Who may write to the folder may have written it:
 * each value has its rule. */
#include "plugin/checkpoint/berth-checkpoint-manifest.h"

#include <stddef.h>
#include <string.h>

#include "plugin/base/berth-key-file.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"

#define GROUP "checkpoint"
#define FORMAT 1
#define FORMAT_KEY "format"
#define KIND_KEY "kind"
#define PARTS_KEY "parts"
#define PART_MAX 8192u /* characters; a CPU's features are among them */
#define HEX_ID 32u
#define HEX_SUM 64u
#define HEX_DIGITS G_CSET_DIGITS "abcdef"
#define BYTES_MAX (G_GUINT64_CONSTANT (1) << 50)
#define SNAPSHOT_NAME_MAX (2u * BERTH_REQUEST_NAME_MAX + 16u)

static const char *const kinds[] = { "named", "asleep" };

/* ---- texts ---- */

/**
 * TextRule:
 * @TEXT_NAME: as of a tenant
 * @TEXT_ID: of a sandbox
 * @TEXT_SUM: SHA-256
 * @TEXT_SNAPSHOT: a snapshot's name: a template's, perhaps with user and tenant
 */
typedef enum
{
  TEXT_NAME,
  TEXT_ID,
  TEXT_SUM,
  TEXT_SNAPSHOT,
} TextRule;

typedef struct
{
  const char *key;
  gsize offset;
  TextRule rule;
  gboolean is_optional;
} TextRow;

#define TEXT(key, field, rule, is_optional)                                                        \
  {                                                                                                \
    key, offsetof (BerthCheckpointManifest, field), rule, is_optional                              \
  }

static const TextRow text_rows[] = {
  TEXT ("sandbox", sandbox, TEXT_ID, FALSE),
  TEXT ("name", name, TEXT_NAME, TRUE),
  TEXT ("tenant", tenant, TEXT_NAME, TRUE),
  TEXT ("task", task, TEXT_NAME, TRUE),
  TEXT ("template", template_name, TEXT_NAME, FALSE),
  TEXT ("language", language, TEXT_NAME, TRUE),
  TEXT ("parent", parent, TEXT_ID, TRUE),
  TEXT ("checkpoint", checkpoint, TEXT_NAME, TRUE),
  TEXT ("base", base, TEXT_SNAPSHOT, FALSE),
  TEXT ("base-key", base_key, TEXT_SUM, FALSE),
  TEXT ("base-sha256", base_sum, TEXT_SUM, FALSE),
  TEXT ("state-sha256", sum, TEXT_SUM, FALSE),
};

static char **
text_of (const BerthCheckpointManifest *self, const TextRow *row)
{
  return (char **)((guint8 *)self + row->offset);
}

static gboolean
is_hex (const char *text, gsize length)
{
  return strlen (text) == length && strspn (text, HEX_DIGITS) == length;
}

static gboolean
is_snapshot_name (const char *text)
{
  gsize length = strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-@:");

  return length > 0 && length <= SNAPSHOT_NAME_MAX && text[length] == '\0';
}

static gboolean
text_is_right (const char *text, TextRule rule)
{
  switch (rule)
    {
    case TEXT_NAME:
      return berth_request_name_is_valid (text);
    case TEXT_ID:
      return is_hex (text, HEX_ID);
    case TEXT_SUM:
      return is_hex (text, HEX_SUM);
    case TEXT_SNAPSHOT:
      return is_snapshot_name (text);
    }
  return FALSE;
}

/* ---- numbers ---- */

typedef struct
{
  const char *key;
  gsize offset;
  gsize size;
  guint64 most;
  gboolean is_optional; /* earlier berths did not write it: 0 */
} NumberRow;

#define NUMBER(key, field, most, is_optional)                                                      \
  {                                                                                                \
    key, offsetof (BerthCheckpointManifest, field),                                                \
        sizeof (((BerthCheckpointManifest *)NULL)->field), most, is_optional                       \
  }

static const NumberRow number_rows[] = {
  NUMBER ("uid", uid, G_MAXUINT32, FALSE),
  NUMBER ("memory-mb", memory_mb, G_MAXINT32, FALSE),
  NUMBER ("vcpus", vcpus, 4096, FALSE),
  NUMBER ("idle-timeout-ms", idle_timeout_ms, G_MAXUINT32, FALSE),
  NUMBER ("idle-pause-ms", idle_pause_ms, G_MAXUINT32, FALSE),
  NUMBER ("idle-hibernate-ms", idle_hibernate_ms, G_MAXUINT32, TRUE),
  NUMBER ("attached", is_attached, 1, TRUE),
  NUMBER ("exec-count", exec_count, G_MAXUINT32, FALSE),
  NUMBER ("created-us", created_us, G_MAXINT64, FALSE),
  NUMBER ("pages", pages, BYTES_MAX, FALSE),
  NUMBER ("state-size", bytes, BYTES_MAX, FALSE),
};

static guint64
number_get (const BerthCheckpointManifest *self, const NumberRow *row)
{
  const guint8 *field = (const guint8 *)self + row->offset;

  return row->size == sizeof (guint32) ? *(const guint32 *)(gconstpointer)field
                                       : *(const guint64 *)(gconstpointer)field;
}

static void
number_set (BerthCheckpointManifest *self, const NumberRow *row, guint64 value)
{
  guint8 *field = (guint8 *)self + row->offset;

  if (row->size == sizeof (guint32))
    *(guint32 *)(gpointer)field = (guint32)value;
  else
    *(guint64 *)(gpointer)field = value;
}

/* ---- whole ---- */

BerthCheckpointManifest *
berth_checkpoint_manifest_copy (const BerthCheckpointManifest *self)
{
  BerthCheckpointManifest *copy = g_memdup2 (self, sizeof *self);

  for (guint i = 0; i < G_N_ELEMENTS (text_rows); i++)
    *text_of (copy, &text_rows[i]) = g_strdup (*text_of (self, &text_rows[i]));
  copy->parts = g_strdupv (self->parts);
  return copy;
}

void
berth_checkpoint_manifest_free (BerthCheckpointManifest *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (text_rows); i++)
    g_free (*text_of (self, &text_rows[i]));
  g_strfreev (self->parts);
  g_free (self);
}

gboolean
berth_checkpoint_name_check (const char *name, GError **error)
{
  if (berth_request_name_is_valid (name))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "the name of a checkpoint is 1 to %u of the characters A-Z a-z 0-9 _ -",
               BERTH_REQUEST_NAME_MAX);
  return FALSE;
}

char *
berth_checkpoint_manifest_to_text (const BerthCheckpointManifest *self, gsize *out_length)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  g_key_file_set_integer (file, GROUP, FORMAT_KEY, FORMAT);
  g_key_file_set_string (file, GROUP, KIND_KEY, kinds[self->kind]);
  for (guint i = 0; i < G_N_ELEMENTS (text_rows); i++)
    {
      const char *text = *text_of (self, &text_rows[i]);

      if (text != NULL && *text != '\0')
        g_key_file_set_string (file, GROUP, text_rows[i].key, text);
    }
  for (guint i = 0; i < G_N_ELEMENTS (number_rows); i++)
    g_key_file_set_uint64 (file, GROUP, number_rows[i].key, number_get (self, &number_rows[i]));
  if (self->parts != NULL)
    g_key_file_set_string_list (file, GROUP, PARTS_KEY, (const char *const *)self->parts,
                                g_strv_length (self->parts));
  return g_key_file_to_data (file, out_length, NULL);
}

static gboolean
fail (GError **error, const char *key, const char *what)
{
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "its manifest can't be used: %s %s", key,
               what);
  return FALSE;
}

static gboolean
parse_text (BerthCheckpointManifest *self, GKeyFile *file, const TextRow *row, GError **error)
{
  char *text = berth_key_file_dup_string (file, GROUP, row->key);

  *text_of (self, row) = text;
  if (!berth_key_file_is_escaped (file, GROUP, row->key, BERTH_KEY_FILE_ESCAPES))
    return fail (error, row->key, "is not what it may be");
  if (text == NULL)
    return row->is_optional || fail (error, row->key, "is missing");
  return text_is_right (text, row->rule) || fail (error, row->key, "is not what it may be");
}

static gboolean
parse_number (BerthCheckpointManifest *self, GKeyFile *file, const NumberRow *row, GError **error)
{
  g_autofree char *text = berth_key_file_dup_string (file, GROUP, row->key);
  guint64 value = 0;

  if (text == NULL)
    return row->is_optional || fail (error, row->key, "is missing");
  if (!g_ascii_string_to_unsigned (text, 10, 0, row->most, &value, NULL))
    return fail (error, row->key, "is not what it may be");
  number_set (self, row, value);
  return TRUE;
}

static gboolean
parse_kind (BerthCheckpointManifest *self, GKeyFile *file, GError **error)
{
  g_autofree char *format = berth_key_file_dup_string (file, GROUP, FORMAT_KEY);
  g_autofree char *kind = berth_key_file_dup_string (file, GROUP, KIND_KEY);

  if (g_strcmp0 (format, G_STRINGIFY (FORMAT)) != 0)
    return fail (error, FORMAT_KEY, "is of another berth's");
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_strcmp0 (kind, kinds[i]) == 0)
      {
        self->kind = i;
        return TRUE;
      }
  return fail (error, KIND_KEY, "is not what it may be");
}

/* They are shown, and compared. */
static gboolean
part_is_right (const char *part)
{
  gsize length = strlen (part);

  if (length == 0 || length > PART_MAX)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isprint (part[i]))
      return FALSE;
  return TRUE;
}

static gboolean
parse_parts (BerthCheckpointManifest *self, GKeyFile *file, GError **error)
{
  gsize count = 0;

  if (!berth_key_file_is_escaped (file, GROUP, PARTS_KEY, BERTH_KEY_FILE_ESCAPES ";"))
    return fail (error, PARTS_KEY, "are not what they may be");
  self->parts = g_key_file_get_string_list (file, GROUP, PARTS_KEY, &count, NULL);
  if (count > BERTH_CHECKPOINT_PARTS_MAX)
    return fail (error, PARTS_KEY, "are too many");
  for (gsize i = 0; i < count; i++)
    if (!part_is_right (self->parts[i]))
      return fail (error, PARTS_KEY, "are not what they may be");
  return TRUE;
}

static gboolean
check_whole (BerthCheckpointManifest *self, GError **error)
{
  gboolean has_name = self->name != NULL;

  if (!has_name)
    self->name = g_strdup ("");
  if (has_name != (self->kind == BERTH_CHECKPOINT_NAMED))
    return fail (error, "name", "is not of its kind");
  if (self->memory_mb == 0 || self->vcpus == 0)
    return fail (error, "memory-mb, vcpus", "are not those of a VM");
  return TRUE;
}

static gboolean
parse (BerthCheckpointManifest *self, GKeyFile *file, GError **error)
{
  if (!parse_kind (self, file, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (text_rows); i++)
    if (!parse_text (self, file, &text_rows[i], error))
      return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (number_rows); i++)
    if (!parse_number (self, file, &number_rows[i], error))
      return FALSE;
  return parse_parts (self, file, error) && check_whole (self, error);
}

BerthCheckpointManifest *
berth_checkpoint_manifest_parse (const char *text, gsize length, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (BerthCheckpointManifest) self = g_new0 (BerthCheckpointManifest, 1);

  if (length == 0 || memchr (text, '\0', length) != NULL
      || !g_key_file_load_from_data (file, text, length, G_KEY_FILE_NONE, NULL))
    {
      fail (error, "it", "is not one");
      return NULL;
    }
  return parse (self, file, error) ? g_steal_pointer (&self) : NULL;
}
