/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host is well until a test says what ails it. */
#include "tests/host/fake-doctor.h"

#include "pool/berth-error.h"

#define KEY "fake-doctor"

typedef struct
{
  char *image_dir; /* NULL: see has_no_image */
  gboolean has_no_image;
  char *without_layers; /* (nullable): the template */
  const char *virt_type;
  char *kvm_problem; /* (nullable) */
  char *confinement; /* (nullable) */
  char *confinement_problem;
} Health;

static void
health_free (gpointer data)
{
  Health *self = data;

  g_free (self->image_dir);
  g_free (self->without_layers);
  g_free (self->kvm_problem);
  g_free (self->confinement);
  g_free (self->confinement_problem);
  g_free (self);
}

static Health *
health_of (BerthHost *host)
{
  Health *self = g_object_get_data (G_OBJECT (host), KEY);

  if (self == NULL)
    {
      self = g_new0 (Health, 1);
      self->virt_type = "qemu";
      g_object_set_data_full (G_OBJECT (host), KEY, self, health_free);
    }
  return self;
}

static void
set_text (char **text, const char *value)
{
  g_free (*text);
  *text = g_strdup (value);
}

gboolean
fake_doctor_check_image (BerthHost *host, GError **error)
{
  const Health *self = health_of (host);

  if (self->image_dir != NULL ? g_file_test (self->image_dir, G_FILE_TEST_IS_DIR)
                              : !self->has_no_image)
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "there is no images.json");
  return FALSE;
}

gboolean
fake_doctor_check_layers (BerthHost *host, const char *template_name, GError **error)
{
  if (g_strcmp0 (template_name, health_of (host)->without_layers) != 0)
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "there is no layer of it");
  return FALSE;
}

char *
fake_doctor_dup_confinement (BerthHost *host, const char *dir, char **out_problem,
                             char **out_remedy)
{
  const Health *self = health_of (host);

  if (self->confinement_problem != NULL)
    {
      *out_problem = g_strdup_printf ("%s: %s", dir, self->confinement_problem);
      *out_remedy = g_strdup ("mend it");
    }
  return g_strdup (self->confinement);
}

void
fake_doctor_add_status (BerthHost *host, GVariantDict *status)
{
  const Health *self = health_of (host);

  g_variant_dict_insert (status, "virt_type", "s", self->virt_type);
  if (self->kvm_problem != NULL)
    g_variant_dict_insert (status, "kvm_problem", "s", self->kvm_problem);
}

void
fake_doctor_set_image_dir (BerthHost *host, const char *dir)
{
  set_text (&health_of (host)->image_dir, dir);
}

void
fake_doctor_set_image (BerthHost *host, gboolean is_there)
{
  health_of (host)->has_no_image = !is_there;
}

void
fake_doctor_set_layers_missing (BerthHost *host, const char *template_name)
{
  set_text (&health_of (host)->without_layers, template_name);
}

void
fake_doctor_set_kvm (BerthHost *host, const char *virt_type, const char *problem)
{
  health_of (host)->virt_type = virt_type;
  set_text (&health_of (host)->kvm_problem, problem);
}

void
fake_doctor_set_confinement (BerthHost *host, const char *kind, const char *problem)
{
  set_text (&health_of (host)->confinement, kind);
  set_text (&health_of (host)->confinement_problem, problem);
}
