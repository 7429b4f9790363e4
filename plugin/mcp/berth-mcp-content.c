/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides as what a file is shown to a model: an image, text, or bytes. Its content says what it
 * is, for a name is the program's own. */
#include "plugin/mcp/berth-mcp-content.h"

#include <string.h>

const BerthMcpField berth_mcp_content_fields[] = {
  { "path", BERTH_MCP_STRING, TRUE, "As it was asked for, or below that", 0, 0, NULL },
  { "size", BERTH_MCP_INTEGER, FALSE, "Bytes", 0, 0, NULL },
  { "mime_type", BERTH_MCP_STRING, FALSE, "By its content", 0, 0, NULL },
  { "text", BERTH_MCP_STRING, FALSE,
    "Of a text; images and other files are content items of the result", 0, 0, NULL },
  { "text_truncated", BERTH_MCP_BOOLEAN, FALSE, "Whether only its first 256 KiB are told", 0, 0,
    NULL },
  { 0 },
};

/* How a file begins; '?' stands for any byte */
static const struct
{
  const char *mime_type;
  const char *begin;
  gsize size;
  gboolean is_image;
} signatures[] = {
  { "image/png", "\x89PNG\r\n\x1a\n", 8, TRUE },
  { "image/jpeg", "\xff\xd8\xff", 3, TRUE },
  { "image/gif", "GIF8?a", 6, TRUE },
  { "image/webp", "RIFF????WEBP", 12, TRUE },
  { "application/pdf", "%PDF-", 5, FALSE },
};

static gboolean
begins (const guint8 *data, gsize size, guint place)
{
  const char *begin = signatures[place].begin;

  if (size < signatures[place].size)
    return FALSE;
  for (gsize i = 0; i < signatures[place].size; i++)
    if (begin[i] != '?' && (guint8)begin[i] != data[i])
      return FALSE;
  return TRUE;
}

static void
add_string (GVariantBuilder *builder, const char *key, const char *value)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (value));
}

/* (transfer full) */
static char *
make_uri (const char *sandbox_id, const char *path)
{
  g_autofree char *escaped = g_uri_escape_string (path, "/", FALSE);

  return g_strdup_printf ("berth://%s/%s", sandbox_id, escaped[0] == '/' ? escaped + 1 : escaped);
}

/* (transfer full) */
static GVariant *
make_image (const char *mime_type, const char *base64)
{
  GVariantBuilder item = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_string (&item, "type", "image");
  add_string (&item, "data", base64);
  add_string (&item, "mimeType", mime_type);
  return g_variant_ref_sink (g_variant_builder_end (&item));
}

/* (transfer full) */
static GVariant *
make_resource (const char *uri, const char *mime_type, const char *base64)
{
  GVariantBuilder item = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantBuilder resource = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_string (&resource, "uri", uri);
  add_string (&resource, "mimeType", mime_type);
  add_string (&resource, "blob", base64);
  add_string (&item, "type", "resource");
  g_variant_builder_add (&item, "{sv}", "resource", g_variant_builder_end (&resource));
  return g_variant_ref_sink (g_variant_builder_end (&item));
}

static gboolean
is_text (const guint8 *data, gsize size)
{
  return size == 0 || g_utf8_validate_len ((const char *)data, size, NULL);
}

static void
add_text (GVariantBuilder *told, const guint8 *data, gsize size)
{
  gsize kept = MIN (size, BERTH_MCP_TEXT_BYTES);

  while (kept < size && (data[kept] & 0xc0) == 0x80)
    kept--;
  add_string (told, "mime_type", "text/plain");
  g_variant_builder_add (
      told, "{sv}", "text",
      g_variant_new_take_string (g_strndup (size > 0 ? (const char *)data : "", kept)));
  if (kept < size)
    g_variant_builder_add (told, "{sv}", "text_truncated", g_variant_new_boolean (TRUE));
}

GVariant *
berth_mcp_content_add (GPtrArray *contents, const char *sandbox_id, const char *path, GBytes *bytes)
{
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *shown = g_utf8_make_valid (path, -1);
  g_autofree char *base64 = NULL;
  g_autofree char *uri = NULL;
  const char *mime_type = "application/octet-stream";
  gboolean is_image = FALSE;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  add_string (&told, "path", shown);
  g_variant_builder_add (&told, "{sv}", "size", g_variant_new_uint64 (size));
  if (is_text (data, size))
    {
      add_text (&told, data, size);
      return g_variant_builder_end (&told);
    }
  for (guint i = 0; i < G_N_ELEMENTS (signatures); i++)
    if (begins (data, size, i))
      {
        mime_type = signatures[i].mime_type;
        is_image = signatures[i].is_image;
      }
  add_string (&told, "mime_type", mime_type);
  base64 = g_base64_encode (data, size);
  uri = make_uri (sandbox_id, path);
  g_ptr_array_add (contents, is_image ? make_image (mime_type, base64)
                                      : make_resource (uri, mime_type, base64));
  return g_variant_builder_end (&told);
}
