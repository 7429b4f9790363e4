/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "berth-virt-type.h"

#include "berth-capabilities.h"
#include "berth-libvirt-error.h"

#define PROBE_MIB 16

static gboolean
is_offered (virConnectPtr connection)
{
  g_autofree char *capabilities
      = virConnectGetDomainCapabilities (connection, NULL, "x86_64", "q35", "kvm", 0);

  if (capabilities == NULL)
    berth_libvirt_error_take_code ();
  return capabilities != NULL;
}

/* Transient, and destroyed by libvirt with the connection: a crash of ours leaves nothing. */
static gboolean
try_kvm (virConnectPtr connection, GError **error)
{
  g_autofree char *id = g_uuid_string_random ();
  g_autofree char *xml = g_strdup_printf (
      "<domain type='kvm'><name>berth-probe-%.8s</name><uuid>%s</uuid>"
      "<title>berth: can QEMU use KVM here?</title><memory unit='MiB'>%d</memory>"
      "<os><type arch='x86_64' machine='q35'>hvm</type></os><cpu mode='host-passthrough'/>"
      "<devices><controller type='usb' model='none'/><memballoon model='none'/></devices>"
      "</domain>",
      id, id, PROBE_MIB);
  g_auto (virDomainPtr) domain = virDomainCreateXML (
      connection, xml, VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY);

  if (domain == NULL)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "a QEMU with it does not start");
      return FALSE;
    }
  if (virDomainDestroy (domain) != 0)
    berth_libvirt_error_take_code (); /* it ended by itself, or does with the connection */
  return TRUE;
}

const char *
berth_virt_type_choose (virConnectPtr connection, char **out_problem)
{
  g_autoptr (GError) error = NULL;

  *out_problem = NULL;
  if (!is_offered (connection))
    return "qemu";
  if (try_kvm (connection, &error))
    return "kvm";
  *out_problem = g_strdup (error->message);
  return "qemu";
}

char **
berth_virt_type_dup_unwanted (virConnectPtr connection, const char *domain_type)
{
  g_autofree char *capabilities
      = virConnectGetDomainCapabilities (connection, NULL, "x86_64", "q35", domain_type, 0);
  g_autofree char *model
      = capabilities != NULL ? berth_capabilities_dup_host_model (capabilities) : NULL;
  const char *models[] = { model };
  g_autofree char *cpu = NULL;

  if (model != NULL)
    cpu = virConnectBaselineHypervisorCPU (connection, NULL, "x86_64", "q35", domain_type, models,
                                           1, VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES);
  if (cpu == NULL)
    berth_libvirt_error_take_code (); /* libvirt's test driver has neither */
  return berth_capabilities_dup_unwanted (cpu, domain_type);
}
