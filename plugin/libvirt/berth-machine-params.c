/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what goes into a machine's domain XML beside its template. */
#include "berth-machine-private.h"

#include "berth-console.h"
#include "plugin/host/berth-purpose.h"
#include "pool/berth-error.h"

gboolean
berth_machine_is_clone (BerthMachine *self)
{
  return self->how == BERTH_MACHINE_CLONE || self->how == BERTH_MACHINE_WARM
         || self->how == BERTH_MACHINE_CHILD;
}

gboolean
berth_machine_boots (BerthMachine *self)
{
  return !berth_machine_is_clone (self) && !self->is_adopted;
}

/* Only who asked for a VM and gets one that boots has a boot to see. */
GOutputStream *
berth_machine_ref_boot_log (BerthMachine *self)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);
  GOutputStream *boot_log = berth_purpose_of (request)->boot_log;

  if (self->how != BERTH_MACHINE_COLD || self->is_adopted || boot_log == NULL)
    return NULL;
  return g_object_ref (boot_log);
}

/* The state of a snapshot goes into the hardware that it was recorded on, and into no other; what
 * it has read of its images is part of it. */
static gboolean
machine_match_hardware (BerthMachine *self, const BerthDomainParams *params, BerthImages *images,
                        GError **error)
{
  g_autofree char *devices = berth_template_dup_hardware (self->template, params, error);
  g_autofree char *digest
      = berth_images_dup_digest (images, berth_template_get_layers (self->template));
  g_autofree char *hardware
      = devices != NULL ? g_strdup_printf ("%s\nimages %s", devices, digest) : NULL;

  if (hardware == NULL)
    return FALSE;
  if (self->how == BERTH_MACHINE_CHILD
      && !berth_snapshot_check_hardware (self->snapshot, hardware, NULL))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "the image was built again since the session that it is a copy of was "
                           "made, and it would read other files; make a new session and fork that");
      return FALSE;
    }
  if (berth_machine_is_clone (self))
    return berth_snapshot_check_hardware (self->snapshot, hardware, error);
  berth_snapshot_set_hardware (self->snapshot, hardware);
  return TRUE;
}

/* (transfer full): names of the layers that it has */
static GStrv
machine_dup_layers (BerthMachine *self, gboolean is_builder)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  g_strv_builder_addv (names, (const char **)berth_template_get_layers (self->template));
  if (is_builder)
    g_strv_builder_add (names, BERTH_IMAGES_BUILDER);
  return g_strv_builder_end (names);
}

gboolean
berth_machine_is_builder (BerthMachine *self)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);

  return berth_purpose_of (request)->is_builder;
}

/* @extra: what one life has of its own; of a place that is nothing but a size and a mark. */
static char *
machine_instantiate (BerthMachine *self, const BerthDomainParams *extra, BerthImages *images,
                     GError **error)
{
  BerthDomainParams params = *extra;
  g_auto (GStrv) names = machine_dup_layers (self, extra->is_builder);
  g_auto (GStrv) layers = berth_images_dup_layers (images, (const char *const *)names, error);
  /* the image's files stay their owner's: a QEMU that a guest has broken out into can't write
   * them */
  g_autofree char *dac_label = berth_connection_dup_dac_label (self->connection);
  g_auto (GStrv) unwanted = berth_connection_dup_unwanted_features (self->connection);

  if (layers == NULL)
    return NULL;
  params.name = self->name;
  params.uuid = self->uuid;
  params.kernel = berth_images_get_kernel (images);
  params.initramfs = berth_images_get_initramfs (images);
  params.domain_type = berth_connection_get_domain_type (self->connection);
  params.dac_label = dac_label;
  params.layers = (const char *const *)layers;
  params.unwanted_features = (const char *const *)unwanted;
  params.skip_cpu_probe = berth_template_wants_skip_cpu_probe (
      berth_connection_get_libvirt_version (self->connection));
  if (params.ram_file != NULL && !machine_match_hardware (self, &params, images, error))
    return NULL;
  return berth_template_instantiate (self->template, &params, error);
}

char *
berth_machine_make_xml (BerthMachine *self, const BerthMark *mark, BerthImages *images,
                        GError **error)
{
  g_autofree char *uri = berth_connection_dup_uri (self->connection);
  g_autofree char *console_log = berth_console_dup_log_path (uri, self->name);
  g_autoptr (GOutputStream) boot_log = berth_machine_ref_boot_log (self);
  const BerthConnectionLimits limits = berth_connection_get_limits (self->connection);
  BerthDomainParams params = {
    .mark = mark,
    .limit_cpu = (limits & BERTH_CONNECTION_LIMITS_CPU) != 0,
    .memory_mb = berth_vm_get_memory_mb (self->vm),
    .vcpus = berth_vm_get_vcpus (self->vm),
    /* a boot that fails tells why; a clone has booted already */
    .console_log = berth_machine_is_clone (self) ? NULL : console_log,
    .is_builder = berth_machine_is_builder (self),
    /* the first under a KVM shows by it that a kernel runs */
    .loud_boot = boot_log != NULL
                 || (berth_machine_boots (self) && berth_connection_doubts_kvm (self->connection)),
  };

  if (self->snapshot != NULL)
    {
      params.ram_file = berth_snapshot_get_ram_path (self->snapshot);
      params.ram_private = berth_machine_is_clone (self);
      params.ram_read_only = berth_connection_has_read_only_ram (self->connection);
      params.incoming = berth_machine_is_clone (self);
    }
  return machine_instantiate (self, &params, images, error);
}

char *
berth_machine_make_place_xml (BerthMachine *self, const char *definition, BerthImages *images,
                              GError **error)
{
  BerthMark mark = {
    .instance = self->instance,
    .id = (char *)BERTH_MARK_STATE_PLACE, /* of no VM */
    .template_name = (char *)berth_template_get_name (self->template),
    .state = (char *)BERTH_MARK_STATE_PLACE,
    .definition = (char *)definition,
    .uid = G_MAXUINT32,
  };
  const BerthDomainParams params = {
    .mark = &mark,
    .memory_mb = berth_template_get_memory_mb (self->template),
    .vcpus = berth_template_get_vcpus (self->template),
  };

  return machine_instantiate (self, &params, images, error);
}

char *
berth_machine_make_definition (BerthMachine *self, BerthImages *images, GError **error)
{
  g_auto (GStrv) layers
      = berth_images_dup_layers (images, berth_template_get_layers (self->template), error);
  g_autofree char *joined = layers != NULL ? g_strjoinv ("\n", layers) : NULL;
  g_autofree char *dac_label = berth_connection_dup_dac_label (self->connection);
  g_autofree char *parts = NULL;

  if (layers == NULL)
    return NULL;
  parts = g_strdup_printf (
      "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%lu", self->name, berth_template_get_digest (self->template),
      berth_images_get_kernel (images), berth_images_get_initramfs (images), joined,
      dac_label != NULL ? dac_label : "", berth_connection_get_domain_type (self->connection),
      berth_connection_get_libvirt_version (self->connection));
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, parts, -1);
}

char *
berth_machine_dup_xml (BerthMachine *self, BerthImages *images, GError **error)
{
  g_autoptr (BerthMark) mark = berth_machine_make_mark (self);

  return berth_machine_make_xml (self, mark, images, error);
}
