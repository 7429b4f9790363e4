/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what is left out of a program's output that is longer than a model reads. */
#include "plugin/mcp/berth-mcp-output.h"

#include <string.h>

#include "plugin/base/berth-printable.h"

struct _BerthMcpOutput
{
  GByteArray *head;
  GByteArray *tail; /* up to twice what is kept of it */
  guint64 total;
};

BerthMcpOutput *
berth_mcp_output_new (void)
{
  BerthMcpOutput *self = g_new0 (BerthMcpOutput, 1);

  self->head = g_byte_array_new ();
  self->tail = g_byte_array_new ();
  return self;
}

void
berth_mcp_output_free (BerthMcpOutput *self)
{
  g_byte_array_unref (self->head);
  g_byte_array_unref (self->tail);
  g_free (self);
}

static void
shorten_tail (BerthMcpOutput *self)
{
  if (self->tail->len > BERTH_MCP_OUTPUT_TAIL_BYTES)
    g_byte_array_remove_range (self->tail, 0, self->tail->len - BERTH_MCP_OUTPUT_TAIL_BYTES);
}

void
berth_mcp_output_add (BerthMcpOutput *self, const char *bytes, gsize size)
{
  gsize first = MIN (size, BERTH_MCP_OUTPUT_HEAD_BYTES - self->head->len);
  const guint8 *rest = (const guint8 *)bytes + first;
  gsize rest_size = size - first;

  self->total += size;
  g_byte_array_append (self->head, (const guint8 *)bytes, (guint)first);
  if (rest_size > BERTH_MCP_OUTPUT_TAIL_BYTES)
    {
      rest += rest_size - BERTH_MCP_OUTPUT_TAIL_BYTES;
      rest_size = BERTH_MCP_OUTPUT_TAIL_BYTES;
    }
  g_byte_array_append (self->tail, rest, (guint)rest_size);
  if (self->tail->len > 2 * BERTH_MCP_OUTPUT_TAIL_BYTES)
    shorten_tail (self);
}

gboolean
berth_mcp_output_is_cut (BerthMcpOutput *self)
{
  return self->total > BERTH_MCP_OUTPUT_HEAD_BYTES + BERTH_MCP_OUTPUT_TAIL_BYTES;
}

static gboolean
continues_character (guint8 byte)
{
  return (byte & 0xc0) == 0x80;
}

/* Where a character begins, next to the cut: at most three bytes belong to one that is cut. */
static guint
begin_of_tail (GByteArray *tail)
{
  guint at = 0;

  while (at < 3 && at < tail->len && continues_character (tail->data[at]))
    at++;
  return at;
}

GVariant *
berth_mcp_output_to_variant (BerthMcpOutput *self)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autofree char *note = NULL;
  gboolean is_cut = berth_mcp_output_is_cut (self);
  gsize end = self->head->len;
  guint begin = 0;

  if (is_cut)
    {
      shorten_tail (self);
      end = berth_printable_count_whole (self->head->data, self->head->len);
      begin = begin_of_tail (self->tail);
      note = g_strdup_printf (
          "\n[berth: %" G_GUINT64_FORMAT
          " bytes are left out here: let the program write to a file and read parts of it]\n",
          self->total - end - (self->tail->len - begin));
    }
  g_byte_array_append (all, self->head->data, (guint)end);
  if (note != NULL)
    g_byte_array_append (all, (const guint8 *)note, (guint)strlen (note));
  g_byte_array_append (all, self->tail->data + begin, self->tail->len - begin);
  return g_variant_ref_sink (
      g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, all->data, all->len, 1));
}
