/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a domain of a template: what berth owns is put into a fresh copy of the checked tree, as
 * nodes and never as text, so no value can become markup. */
#include <string.h>

#include "berth-mark-private.h"
#include "berth-template-private.h"

#define AGENT_PORT "org.berth.agent.0"
#define RAM_ID "ram0"
#define LAYER_SLOT                                                                                 \
  0x10 /* on q35's root bus; the layers' order there is their order in the guest                   \
        */
#define SERIAL_SLOT (LAYER_SLOT + BERTH_TEMPLATE_MAX_LAYERS)
/* Of translated code, in each VM that is emulated: with half of it a session that starts many
 * programs is a fifth slower, with eight times as much no faster (tests/bench/README.md). */
#define CODE_MB 128

static void
move_before (xmlNode *node, xmlNode *anchor)
{
  xmlAddPrevSibling (anchor, node);
}

static xmlNode *
ensure_child (xmlNode *parent, const char *name)
{
  xmlNode *child = berth_xml_child (parent, NULL, name);

  return child != NULL ? child : berth_xml_add (parent, name);
}

/* name, uuid, title, and the mark in the place of berth's element */
static void
put_identity (xmlNode *root, const BerthDomainParams *params)
{
  xmlNode *metadata = berth_xml_child (root, NULL, "metadata");
  xmlNode *element = berth_xml_child (metadata, BERTH_MARK_URI, "template");
  g_autofree char *title = berth_mark_to_title (params->mark);

  berth_xml_set (root, "type", params->domain_type);
  move_before (berth_xml_add_text (root, "name", params->name), metadata);
  move_before (berth_xml_add_text (root, "uuid", params->uuid), metadata);
  move_before (berth_xml_add_text (root, "title", title), metadata);
  xmlReplaceNode (element, berth_mark_to_node (params->mark, root->doc));
  xmlFreeNode (element);
}

static void
put_size (xmlNode *root, const BerthDomainParams *params)
{
  xmlNode *os = berth_xml_child (root, NULL, "os");
  xmlNode *memory = berth_xml_add_number (root, "memory", params->memory_mb);

  berth_xml_set (memory, "unit", "MiB");
  move_before (memory, os);
  move_before (berth_xml_add_number (root, "vcpu", params->vcpus), os);
}

static void
put_boot (BerthTemplate *self, xmlNode *root, const BerthDomainParams *params)
{
  xmlNode *os = berth_xml_child (root, NULL, "os");
  xmlNode *cmdline = NULL;
  /* the language tells the agent whose interpreter is to stand by */
  gboolean stands_by
      = !self->info.is_fresh && !params->is_builder && berth_template_has_language (self);
  gboolean is_user = self->info.user != NULL && !params->is_builder;
  g_autofree char *arguments = g_strdup_printf (
      "%sberth.layers=%u%s%s%s%s%s%s",
      params->loud_boot ? "loglevel=7 " : "", /* the last word on it counts */
      g_strv_length ((GStrv)params->layers), params->is_builder ? " berth.builder=1" : "",
      self->card != NULL ? " berth.net=1" : "", stands_by ? " berth.language=" : "",
      stands_by ? self->info.language : "", is_user ? " berth.user=" : "",
      is_user ? self->info.user : "");

  berth_xml_add_text (os, "kernel", params->kernel);
  berth_xml_add_text (os, "initrd", params->initramfs);
  cmdline = ensure_child (os, "cmdline");
  if (cmdline->children != NULL)
    xmlNodeAddContent (cmdline, (const xmlChar *)" ");
  xmlNodeAddContent (cmdline, (const xmlChar *)arguments);
  xmlUnlinkNode (cmdline);
  xmlAddChild (os, cmdline); /* after kernel and initrd, where libvirt writes it too */
}

static gboolean
is_emulated (const BerthDomainParams *params)
{
  return strcmp (params->domain_type, "kvm") != 0;
}

static void
disable_feature (xmlNode *cpu, const char *name)
{
  xmlNode *feature = berth_xml_add (cpu, "feature");

  berth_xml_set (feature, "policy", "disable");
  berth_xml_set (feature, "name", name);
}

/* Where the template names no CPU: all that there is. Under TCG that also has RDRAND, without which
 * the guest waits for random numbers for a second or two of its boot. */
static void
put_cpu (xmlNode *root, const BerthDomainParams *params)
{
  xmlNode *cpu = NULL;

  if (berth_xml_child (root, NULL, "cpu") != NULL)
    return;

  cpu = berth_xml_add (root, "cpu");
  berth_xml_set (cpu, "mode", is_emulated (params) ? "maximum" : "host-passthrough");
  berth_xml_set (cpu, "check", "none");
  berth_xml_set (cpu, "migratable", "on");
  for (guint i = 0; params->unwanted_features != NULL && params->unwanted_features[i] != NULL; i++)
    disable_feature (cpu, params->unwanted_features[i]);
  move_before (cpu, berth_xml_child (root, NULL, "devices"));
}

/* Of code that QEMU has translated for the guest it drops all and begins anew where that needs
 * more. Its own bound is 1 GiB, which a guest that is busy for long fills. */
static void
put_code_bound (xmlNode *root, const BerthDomainParams *params)
{
  xmlNode *cache;

  if (!is_emulated (params))
    return;
  cache = berth_xml_add_number (berth_xml_add (ensure_child (root, "features"), "tcg"), "tb-cache",
                                CODE_MB);
  berth_xml_set (cache, "unit", "MiB");
}

static gboolean
is_q35 (const xmlNode *root)
{
  const xmlNode *type = berth_xml_child (berth_xml_child (root, NULL, "os"), NULL, "type");
  g_autofree char *machine = berth_xml_dup_attribute (type, "machine");

  return machine != NULL && strstr (machine, "q35") != NULL;
}

/* On q35 libvirt gives each device a root port, to be unplugged from; a guest without them boots a
 * tenth faster under TCG. */
static void
put_address (xmlNode *device, guint slot)
{
  xmlNode *address = berth_xml_add (device, "address");
  g_autofree char *text = g_strdup_printf ("0x%02x", slot);

  berth_xml_set (address, "type", "pci");
  berth_xml_set (address, "domain", "0x0000");
  berth_xml_set (address, "bus", "0x00");
  berth_xml_set (address, "slot", text);
  berth_xml_set (address, "function", "0x0");
}

static xmlNode *
new_layer (xmlNode *devices, const char *path, guint index)
{
  xmlNode *disk = berth_xml_add (devices, "disk");
  xmlNode *driver = berth_xml_add (disk, "driver");
  xmlNode *source = berth_xml_add (disk, "source");
  xmlNode *target = berth_xml_add (disk, "target");
  const char device[] = { 'v', 'd', (char)('a' + index), '\0' };

  berth_xml_set (disk, "type", "file");
  berth_xml_set (disk, "device", "disk");
  berth_xml_set (driver, "name", "qemu");
  berth_xml_set (driver, "type", "raw");
  berth_xml_set (driver, "cache", "writeback"); /* the host's page cache, one for all VMs */
  berth_xml_set (source, "file", path);
  berth_xml_set (target, "dev", device);
  berth_xml_set (target, "bus", "virtio");
  berth_xml_add (disk, "readonly");
  berth_xml_add (disk, "shareable");
  return disk;
}

static gboolean
has_serial_controller (const xmlNode *devices)
{
  const xmlNode *controller = berth_xml_child (devices, NULL, "controller");

  for (; controller != NULL; controller = berth_xml_next (controller, NULL, "controller"))
    {
      g_autofree char *type = berth_xml_dup_attribute (controller, "type");

      if (g_strcmp0 (type, "virtio-serial") == 0)
        return TRUE;
    }

  return FALSE;
}

static void
put_channel (xmlNode *root, xmlNode *devices)
{
  xmlNode *channel = NULL;
  xmlNode *target = NULL;

  if (is_q35 (root) && !has_serial_controller (devices))
    {
      xmlNode *controller = berth_xml_add (devices, "controller");

      berth_xml_set (controller, "type", "virtio-serial");
      berth_xml_set (controller, "index", "0");
      put_address (controller, SERIAL_SLOT);
    }

  channel = berth_xml_add (devices, "channel");
  target = berth_xml_add (channel, "target");
  berth_xml_set (channel, "type", "unix"); /* libvirt picks the path */
  berth_xml_set (target, "type", "virtio");
  berth_xml_set (target, "name", AGENT_PORT);
}

/* Above those of the template's own; the root has 0 */
static guint64
get_free_bus (const xmlNode *devices)
{
  const xmlNode *controller = berth_xml_child (devices, NULL, "controller");
  guint64 bus = 1;

  for (; controller != NULL; controller = berth_xml_next (controller, NULL, "controller"))
    {
      g_autofree char *type = berth_xml_dup_attribute (controller, "type");
      g_autofree char *index = berth_xml_dup_attribute (controller, "index");
      guint64 number = 0;

      if (g_strcmp0 (type, "pci") == 0 && index != NULL
          && g_ascii_string_to_unsigned (index, 10, 0, 254, &number, NULL))
        bus = MAX (bus, number + 1);
    }
  return bus;
}

/* Where a card is plugged in */
static void
put_root_port (xmlNode *devices)
{
  g_autofree char *bus = g_strdup_printf ("%" G_GUINT64_FORMAT, get_free_bus (devices));
  xmlNode *controller = berth_xml_add (devices, "controller");

  berth_xml_set (controller, "type", "pci");
  berth_xml_set (controller, "index", bus);
  berth_xml_set (controller, "model", "pcie-root-port");
}

static void
put_devices (BerthTemplate *self, xmlNode *root, const BerthDomainParams *params)
{
  xmlNode *devices = berth_xml_child (root, NULL, "devices");
  xmlNode *serial = berth_xml_child (devices, NULL, "serial");
  xmlNode *first = devices->children;

  for (guint i = 0; params->layers[i] != NULL; i++)
    {
      xmlNode *disk = new_layer (devices, params->layers[i], i);

      if (is_q35 (root))
        put_address (disk, LAYER_SLOT + i);
      if (first != NULL)
        move_before (disk, first);
    }
  put_channel (root, devices);
  if (self->card != NULL && is_q35 (root))
    put_root_port (devices);

  if (params->console_log != NULL && serial != NULL)
    {
      xmlNode *log = ensure_child (serial, "log");

      berth_xml_set (log, "file", params->console_log);
      berth_xml_set (log, "append", "off");
    }
}

/**
 * berth_template_limits:
 * @domain_type: "kvm" or "qemu"
 * @memory_mb: of the guest
 * @vcpus: of the guest
 *
 * Half a CPU more than the guest has, for QEMU's own threads. A quarter of the guest's memory and
 * 160 MiB more, for what QEMU needs (some 100 MiB altogether beside an idle guest, measured);
 * under TCG also its code. Any thread.
 */
BerthDomainLimits
berth_template_limits (const char *domain_type, guint memory_mb, guint vcpus)
{
  const guint64 period_us = 100000;
  const guint64 code_mb = g_str_equal (domain_type, "kvm") ? 0 : CODE_MB;

  return (BerthDomainLimits){
    .cpu_shares = MIN (1024 * (guint64)vcpus, 262144),
    .cpu_period_us = period_us,
    .cpu_quota_us = period_us * vcpus + period_us / 2,
    .memory_kib = (memory_mb + memory_mb / 4 + 160 + code_mb) * 1024,
  };
}

/* Where the template says nothing of CPU time: no VM's emulator threads take what is others'. */
static void
put_cpu_limit (xmlNode *root, const BerthDomainParams *params)
{
  BerthDomainLimits limits
      = berth_template_limits (params->domain_type, params->memory_mb, params->vcpus);
  xmlNode *cputune = NULL;

  if (!params->limit_cpu || berth_xml_child (root, NULL, "cputune") != NULL)
    return;

  cputune = berth_xml_add (root, "cputune");
  berth_xml_add_number (cputune, "shares", limits.cpu_shares);
  berth_xml_add_number (cputune, "global_period", limits.cpu_period_us);
  berth_xml_add_number (cputune, "global_quota", limits.cpu_quota_us);
  move_before (cputune, berth_xml_child (root, NULL, "os"));
}

static gboolean
has_dac (const xmlNode *root)
{
  const xmlNode *seclabel = berth_xml_child (root, NULL, "seclabel");

  for (; seclabel != NULL; seclabel = berth_xml_next (seclabel, NULL, "seclabel"))
    {
      g_autofree char *model = berth_xml_dup_attribute (seclabel, "model");

      if (g_strcmp0 (model, "dac") == 0)
        return TRUE;
    }

  return FALSE;
}

/* A template whose own devices need libvirt to hand files over says so with a seclabel of dac. */
static void
put_dac_label (xmlNode *root, const BerthDomainParams *params)
{
  xmlNode *seclabel = NULL;

  if (params->dac_label == NULL || has_dac (root))
    return;

  seclabel = berth_xml_add (root, "seclabel");
  berth_xml_set (seclabel, "type", "static");
  berth_xml_set (seclabel, "model", "dac");
  berth_xml_set (seclabel, "relabel", "no");
  berth_xml_add_text (seclabel, "label", params->dac_label);
}

static xmlNode *
ensure_qemu (xmlNode *root, const char *name)
{
  xmlNode *node = berth_xml_child (root, BERTH_XML_QEMU_URI, name);
  xmlNs *ns = NULL;

  if (node != NULL)
    return node;

  ns = xmlSearchNsByHref (root->doc, root, (const xmlChar *)BERTH_XML_QEMU_URI);
  if (ns == NULL)
    ns = xmlNewNs (root, (const xmlChar *)BERTH_XML_QEMU_URI, (const xmlChar *)"qemu");
  return xmlAddChild (root, xmlNewDocNode (root->doc, ns, (const xmlChar *)name, NULL));
}

static void
put_argument (xmlNode *root, const char *value)
{
  xmlNode *commandline = ensure_qemu (root, "commandline");
  xmlNode *argument = xmlNewDocNode (root->doc, commandline->ns, (const xmlChar *)"arg", NULL);

  berth_xml_set (xmlAddChild (commandline, argument), "value", value);
}

/* @path as a value in one of QEMU's option lists, where a comma is written twice */
static char *
dup_option_value (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, ",", -1);

  return g_strjoinv (",,", parts);
}

/* libvirt has no words for them. Each is code of QEMU's that a guest can reach, and needs not. */
static void
put_machine_switches (xmlNode *root)
{
  g_autoptr (xmlXPathObject) needed = berth_xml_find (
      root->doc, "/domain/devices/disk/target[@bus='sata' or @bus='ide' or @bus='fdc']"
                 "| /domain/devices/controller[@type='sata' or @type='ide']"
                 "| /domain/devices/input | /domain/devices/graphics");

  if (!is_q35 (root) || needed == NULL || needed->nodesetval->nodeNr > 0)
    return;

  put_argument (root, "-machine");
  put_argument (root, "sata=off,smbus=off,i8042=off");
}

/* libvirt's own <memoryBacking> can't name a file, so the RAM of a snapshot is given to QEMU */
static void
put_ram_file (xmlNode *root, const BerthDomainParams *params)
{
  g_autofree char *path = dup_option_value (params->ram_file);
  g_autofree char *object = g_strdup_printf (
      "memory-backend-file,id=" RAM_ID ",size=%uM,mem-path=%s,share=%s%s", params->memory_mb, path,
      params->ram_private ? "off" : "on",
      params->ram_private && params->ram_read_only ? ",readonly=on,rom=off" : "");

  put_argument (root, "-object");
  put_argument (root, object);
  put_argument (root, "-machine");
  put_argument (root, "memory-backend=" RAM_ID);
}

static void
put_qemu (xmlNode *root, const BerthDomainParams *params)
{
  put_machine_switches (root);
  if (params->ram_file != NULL)
    put_ram_file (root, params);
  if (params->incoming)
    {
      put_argument (root, "-incoming");
      put_argument (root, "defer");
    }
  if (params->skip_cpu_probe)
    {
      xmlNode *capabilities = ensure_qemu (root, "capabilities");
      xmlNode *del = xmlNewDocNode (root->doc, capabilities->ns, (const xmlChar *)"del", NULL);

      berth_xml_set (xmlAddChild (capabilities, del), "capability", "cpu-unavailable-features");
    }
}

/* A RAM file takes the place of whatever the template says about the guest's memory. */
static gboolean
check_ram (BerthTemplate *self, const xmlNode *root, const BerthDomainParams *params,
           GError **error)
{
  const xmlNode *cpu = berth_xml_child (root, NULL, "cpu");

  if (params->ram_file == NULL
      || (berth_xml_child (root, NULL, "memoryBacking") == NULL
          && (cpu == NULL || berth_xml_child (cpu, NULL, "numa") == NULL)))
    return TRUE;

  g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_DOMAIN,
               "%s: a template with <memoryBacking> or <numa> can't have a snapshot, whose RAM is "
               "a file; take them out, or turn snapshots off for it",
               self->path);
  return FALSE;
}

static char *
dump (xmlDoc *doc)
{
  g_autoptr (xmlChar) text = NULL;
  int length = 0;

  xmlDocDumpFormatMemoryEnc (doc, &text, &length, "UTF-8", 1);
  return g_strndup ((const char *)text, (gsize)length);
}

/**
 * berth_template_instantiate:
 * @params: borrowed for the call
 *
 * Makes the XML of one domain. Any thread. Costs some 0.1 ms and no file is opened.
 *
 * Returns: (transfer full): %NULL with %BERTH_TEMPLATE_ERROR_DOMAIN when @params has a value that
 * no domain can have, or one that this template rules out
 */
char *
berth_template_instantiate (BerthTemplate *self, const BerthDomainParams *params, GError **error)
{
  g_autoptr (xmlDoc) doc = NULL;
  xmlNode *root = NULL;

  g_return_val_if_fail (self != NULL && params != NULL, NULL);

  if (!berth_template_check_params (self, params, error))
    return NULL;

  doc = berth_xml_parse (self->xml, strlen (self->xml), self->path, error);
  if (doc == NULL)
    return NULL;
  root = xmlDocGetRootElement (doc);
  if (!check_ram (self, root, params, error))
    return NULL;

  put_identity (root, params);
  put_size (root, params);
  put_boot (self, root, params);
  put_cpu (root, params);
  put_code_bound (root, params);
  put_cpu_limit (root, params);
  put_devices (self, root, params);
  put_dac_label (root, params);
  put_qemu (root, params);
  return dump (doc);
}

/**
 * berth_template_dup_hardware:
 * @params: borrowed for the call
 *
 * A device state fits the domain that it was saved from and no other: not one with a feature more
 * in its CPU, whichever of template, berth or QEMU brought that. Any thread.
 *
 * Returns: (transfer full): %NULL as berth_template_instantiate()
 */
char *
berth_template_dup_hardware (BerthTemplate *self, const BerthDomainParams *params, GError **error)
{
  const BerthMark mark = {
    .instance = "-",
    .id = "00000000000000000000000000000000",
    .template_name = (char *)berth_template_get_name (self),
    .state = "-",
  };
  g_autoptr (GStrvBuilder) layers = g_strv_builder_new ();
  g_auto (GStrv) paths = NULL;
  g_autofree char *xml = NULL;
  BerthDomainParams same = {
    .mark = &mark,
    .name = "hardware",
    .uuid = "00000000-0000-4000-8000-000000000000",
    .domain_type = params->domain_type,
    .memory_mb = params->memory_mb,
    .vcpus = params->vcpus,
    .kernel = "/kernel",
    .initramfs = "/initramfs",
    .unwanted_features = params->unwanted_features,
    .ram_file = "/ram",
  };

  for (guint i = 0; params->layers[i] != NULL; i++)
    g_strv_builder_add (layers, "/layer");
  paths = g_strv_builder_end (layers);
  same.layers = (const char *const *)paths;
  xml = berth_template_instantiate (self, &same, error);
  return xml != NULL ? g_compute_checksum_for_string (G_CHECKSUM_SHA256, xml, -1) : NULL;
}

/**
 * berth_template_wants_skip_cpu_probe:
 * @libvirt_version: as virConnectGetLibVersion() gives it
 *
 * At each start libvirt reads some 400 properties of the guest's CPU, one QMP call each (0.55 s
 * under TCG here). With qom-list-get it reads them all at once: libvirt from 11.8 at the latest (in
 * its tests/qemucapabilitiesdata/caps_10.2.0_x86_64.xml the capability "qom-list-get" stands before
 * acpi-generic-initiator, which NEWS has in 11.8.0), with QEMU from 10.1. A host with that libvirt
 * and an older QEMU still pays; one that needs no help is left as its libvirt wants it.
 *
 * Returns: whether #BerthDomainParams.skip_cpu_probe saves time
 */
gboolean
berth_template_wants_skip_cpu_probe (gulong libvirt_version)
{
  return libvirt_version < 11008000;
}
