/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides who may have made a template. The signature says its name, too: a registry that has two
 * signed ones can't give one for the other. */
#include "plugin/build/berth-build-sign.h"

#include <nettle/eddsa.h>
#include <string.h>

#include "plugin/build/berth-build-artifact.h"
#include "plugin/build/berth-build-json.h"
#include "pool/berth-error.h"

#define SIGNATURE_KEY "org.berth.signature"
#define KEY_FILE_MAX (64u * 1024)
#define HEAD_MAX 16u

/* What stands before the 32 bytes of a key, in the DER of RFC 8410 */
typedef struct
{
  const char *label;
  const char *kind;
  guint8 head[HEAD_MAX];
  gsize head_size;
} KeyForm;

static const KeyForm public_form
    = { "PUBLIC KEY",
        "public",
        { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 },
        12 };
static const KeyForm private_form = { "PRIVATE KEY",
                                      "private",
                                      { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b,
                                        0x65, 0x70, 0x04, 0x22, 0x04, 0x20 },
                                      16 };

/* (transfer full) (nullable): the bytes between the lines that begin and end it */
static guint8 *
dup_der (const char *text, const char *label, gsize *out_size)
{
  g_autofree char *begin = g_strdup_printf ("-----BEGIN %s-----", label);
  g_autofree char *end = g_strdup_printf ("-----END %s-----", label);
  const char *from = strstr (text, begin);
  const char *to = from != NULL ? strstr (from, end) : NULL;
  g_autofree char *base64 = NULL;
  guint8 *der;

  if (to == NULL)
    return NULL;
  from += strlen (begin);
  base64 = g_strndup (from, (gsize)(to - from));
  der = g_base64_decode (base64, out_size);
  explicit_bzero (base64, strlen (base64));
  return der;
}

static gboolean
read_key (const char *path, const KeyForm *form, guint8 *out_key, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree guint8 *der = NULL;
  gsize size = 0;
  gboolean ok;

  if (!g_file_get_contents (path, &text, &size, error))
    return FALSE;
  der = size <= KEY_FILE_MAX ? dup_der (text, form->label, &size) : NULL;
  ok = der != NULL && size == form->head_size + ED25519_KEY_SIZE
       && memcmp (der, form->head, form->head_size) == 0;
  if (ok)
    memcpy (out_key, der + form->head_size, ED25519_KEY_SIZE);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                 "%s: is no %s key of Ed25519: 'openssl genpkey -algorithm ed25519' makes a "
                 "private one, 'openssl pkey -pubout' the public one of it",
                 path, form->kind);
  explicit_bzero (text, strlen (text));
  if (der != NULL)
    explicit_bzero (der, size);
  return ok;
}

char *
berth_build_sign_dup_statement (const char *name, const char *sha256)
{
  return g_strdup_printf ("berth template 1\n%s\nsha256:%s\n", name, sha256);
}

char *
berth_build_sign_dup_tag (const char *sha256)
{
  return g_strdup_printf ("sha256-%s.berth", sha256);
}

/* ---- to a registry ---- */

static void
add_empty (JsonBuilder *json)
{
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, BERTH_BUILD_EMPTY, -1);
  g_autofree char *digest = g_strconcat ("sha256:", sum, NULL);

  json_builder_begin_object (json);
  berth_build_json_add_text (json, "mediaType", BERTH_BUILD_EMPTY_TYPE);
  berth_build_json_add_text (json, "digest", digest);
  berth_build_json_add_number (json, "size", strlen (BERTH_BUILD_EMPTY));
  json_builder_end_object (json);
}

static char *
dup_manifest (const char *signature)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (json);
  berth_build_json_add_number (json, "schemaVersion", 2);
  berth_build_json_add_text (json, "mediaType", BERTH_BUILD_MANIFEST_TYPE);
  json_builder_set_member_name (json, "config");
  add_empty (json);
  json_builder_set_member_name (json, "layers");
  json_builder_begin_array (json);
  json_builder_end_array (json);
  json_builder_set_member_name (json, "annotations");
  json_builder_begin_object (json);
  berth_build_json_add_text (json, SIGNATURE_KEY, signature);
  json_builder_end_object (json);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

char *
berth_build_sign_dup_manifest (const char *key, const char *name, const char *sha256,
                               GError **error)
{
  g_autofree char *statement = berth_build_sign_dup_statement (name, sha256);
  g_autofree char *text = NULL;
  guint8 secret[ED25519_KEY_SIZE];
  guint8 public[ED25519_KEY_SIZE];
  guint8 signature[ED25519_SIGNATURE_SIZE];

  if (!read_key (key, &private_form, secret, error))
    return NULL;
  ed25519_sha512_public_key (public, secret);
  ed25519_sha512_sign (public, secret, strlen (statement), (const guint8 *)statement, signature);
  explicit_bzero (secret, sizeof secret);
  text = g_base64_encode (signature, sizeof signature);
  return dup_manifest (text);
}

/* ---- of a registry ---- */

/* (transfer full) (nullable) */
static guint8 *
find_signature (const char *text, gsize size)
{
  g_autoptr (JsonObject) manifest = berth_build_json_parse (text, size, NULL);
  JsonObject *annotations
      = manifest != NULL ? berth_build_json_get_object (manifest, "annotations") : NULL;
  const char *base64
      = annotations != NULL ? berth_build_json_get_text (annotations, SIGNATURE_KEY) : NULL;
  g_autofree guint8 *signature = base64 != NULL ? g_base64_decode (base64, &size) : NULL;

  return signature != NULL && size == ED25519_SIGNATURE_SIZE ? g_steal_pointer (&signature) : NULL;
}

gboolean
berth_build_sign_check (const char *text, gsize size, const char *const *keys, const char *name,
                        const char *sha256, GError **error)
{
  g_autofree char *statement = berth_build_sign_dup_statement (name, sha256);
  g_autofree guint8 *signature
      = size <= BERTH_BUILD_MANIFEST_MAX_BYTES ? find_signature (text, size) : NULL;

  for (guint i = 0; keys[i] != NULL; i++)
    {
      guint8 public[ED25519_KEY_SIZE];

      if (!read_key (keys[i], &public_form, public, error))
        return FALSE;
      if (signature != NULL
          && ed25519_sha512_verify (public, strlen (statement), (const guint8 *)statement,
                                    signature))
        return TRUE;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
               "template %s: its signature is by none of berth.conf's template_keys: ask who "
               "pushed it, and by which key",
               name);
  return FALSE;
}
