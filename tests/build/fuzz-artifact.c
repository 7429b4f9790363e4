/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what a registry says: an element of a template (what begins with '<'), a signature
 * and a manifest. What is taken says the same when it is written again, and is shallow. */
#include <string.h>

#include "plugin/build/berth-build-artifact.h"
#include "plugin/build/berth-build-element.h"
#include "plugin/build/berth-build-json.h"
#include "plugin/build/berth-build-sign.h"
#include "plugin/template/berth-template.h"

#define NOW "0000000000000000000000000000000000000000000000000000000000000000"
#define MAX_BYTES (G_GINT64_CONSTANT (1) << 30)
#define DEPTH_MAX 32u

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_element (const char *text)
{
  static const char *const layers[] = { "base", NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = berth_build_element_dup_template (
      text, TEMPLATE_DIR "/python.xml", "mine", layers, "remark", TEMPLATE_DIR "/mine.xml",
      TEMPLATE_DIR "/berth.rng", &error);
  g_autoptr (BerthTemplate) template = NULL;

  g_assert_cmpint (xml == NULL, ==, error != NULL);
  if (xml == NULL)
    return;
  template = berth_template_load_data (xml, strlen (xml), TEMPLATE_DIR "/mine.xml",
                                       TEMPLATE_DIR "/berth.rng", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_template_get_name (template), ==, "mine");
  g_assert_cmpuint (g_strv_length ((char **)berth_template_get_layers (template)), ==, 1);
  g_assert_false (berth_template_has_card (template));
}

static guint
measure (JsonNode *node)
{
  g_autoptr (GList) values = NULL;
  guint depth = 0;

  if (JSON_NODE_HOLDS_VALUE (node) || JSON_NODE_HOLDS_NULL (node))
    return 0;
  values = JSON_NODE_HOLDS_OBJECT (node) ? json_object_get_values (json_node_get_object (node))
                                         : json_array_get_elements (json_node_get_array (node));
  for (GList *link = values; link != NULL; link = link->next)
    {
      guint below = measure (link->data);

      depth = MAX (depth, below);
    }
  return depth + 1;
}

static void
check_depth (const char *text, gsize size)
{
  g_autoptr (JsonObject) object = berth_build_json_parse (text, size, NULL);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  if (object == NULL)
    return;
  json_node_set_object (node, object);
  g_assert_cmpuint (measure (node), <=, DEPTH_MAX);
}

static void
check_manifest (const char *text, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthBuildArtifact) artifact
      = berth_build_artifact_parse (text, size, MAX_BYTES, &error);
  g_autoptr (BerthBuildArtifact) again = NULL;
  g_autofree char *manifest = NULL;

  g_assert_cmpint (artifact == NULL, ==, error != NULL);
  if (artifact == NULL)
    return;
  for (guint i = 0; i < artifact->parts->len; i++)
    {
      const BerthBuildPart *part = artifact->parts->pdata[i];

      g_assert_cmpuint (part->first + part->count, <=, artifact->pieces->len);
      g_assert_cmpint (part->size, <=, MAX_BYTES);
    }
  manifest = berth_build_artifact_dup_manifest (artifact);
  again = berth_build_artifact_parse (manifest, strlen (manifest), MAX_BYTES, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->element, ==, artifact->element);
  g_assert_cmpuint (again->pieces->len, ==, artifact->pieces->len);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const keys[] = { NULL };
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autoptr (GError) error = NULL;

  if (size > 0 && data[0] == '<')
    check_element (text);
  else
    check_manifest ((const char *)data, size);
  check_depth ((const char *)data, size);
  g_assert_false (berth_build_sign_check ((const char *)data, size, keys, "mine", NOW, &error));
  return 0;
}
