/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A template: a domain XML file with berth's element, checked when loaded, instantiated by DOM. */
#pragma once

#include "berth-mark.h"
#include "plugin/reach/berth-reach-policy.h"
#include "pool/berth-shape.h"

G_BEGIN_DECLS

/**
 * BERTH_TEMPLATE_ERROR:
 * Domain of template errors: what a file says is wrong. Messages name file, line and what is
 * allowed.
 */
#define BERTH_TEMPLATE_ERROR (berth_template_error_quark ())
GQuark berth_template_error_quark (void);

/**
 * BerthTemplateError:
 * @BERTH_TEMPLATE_ERROR_NOT_FOUND: no template of that name, or no such file
 * @BERTH_TEMPLATE_ERROR_PARSE: not well-formed, or an include that can't be read
 * @BERTH_TEMPLATE_ERROR_SCHEMA: berth's element breaks its schema
 * @BERTH_TEMPLATE_ERROR_DOMAIN: the domain part lacks or has something that berth can't work with
 */
typedef enum
{
  BERTH_TEMPLATE_ERROR_NOT_FOUND,
  BERTH_TEMPLATE_ERROR_PARSE,
  BERTH_TEMPLATE_ERROR_SCHEMA,
  BERTH_TEMPLATE_ERROR_DOMAIN,
} BerthTemplateError;

/**
 * BerthDomainParams:
 * @mark: goes into the metadata, and the title
 * @name: of the domain
 * @uuid: of the domain, in its text form
 * @domain_type: "kvm" or "qemu"
 * @memory_mb: of the guest, MiB
 * @vcpus: of the guest
 * @kernel: absolute path
 * @initramfs: absolute path
 * @layers: absolute paths of the EROFS layers, lowest first
 * @unwanted_features: names, of the CPU that the guest gets where its template names none; disabled
 * @skip_cpu_probe: remove QEMU's cpu-unavailable-features (design.md, the libvirt table)
 * @ram_file: (nullable): back the guest's RAM by this file
 * @ram_private: map @ram_file copy-on-write (a clone) instead of shared (a template's snapshot)
 * @ram_read_only: open @ram_file read-only when @ram_private: QEMU from 8.2, which has rom=off
 * @incoming: start waiting for a migration stream
 * @dac_label: (nullable): berth_capabilities_dup_dac_label(). QEMU runs as the same user as
 * without, but libvirt leaves the owners of kernel, initramfs and layers alone. Else it gives all
 * of them to QEMU's user while a VM runs, the layers for ever, and a guest that broke out into QEMU
 * could change them for all the VMs to come. They must be readable for that user. %NULL on
 *   qemu:///session, which has no dac
 * @limit_cpu: a quota of @vcpus CPUs and a half for all of QEMU's threads together, and shares by
 *   @vcpus: where libvirt has the cgroup controller cpu; qemu:///session refuses it
 * @console_log: (nullable): have virtlogd write the console there, bounded by its max_size and
 *   max_backups (2 MiB and 3 more). %NULL: the console is a pty that nobody reads unless they open
 *   it, virDomainOpenConsole(); the last lines of a boot that fails can be had from a stream opened
 *   while the domain is still paused
 * @is_builder: the guest's programs keep root's rights, and no interpreter stands by
 * @loud_boot: the kernel tells its boot on the console, though the template has it quiet
 *
 * All that instantiation puts into a template; borrowed for the call.
 */
typedef struct
{
  const BerthMark *mark;
  const char *name;
  const char *uuid;
  const char *domain_type;
  guint memory_mb;
  guint vcpus;
  const char *kernel;
  const char *initramfs;
  const char *const *layers;
  const char *const *unwanted_features;
  gboolean skip_cpu_probe;
  const char *ram_file;
  gboolean ram_private;
  gboolean ram_read_only;
  gboolean incoming;
  const char *dac_label;
  gboolean limit_cpu;
  const char *console_log;
  gboolean is_builder;
  gboolean loud_boot;
} BerthDomainParams;

/**
 * BerthDomainLimits:
 * @cpu_shares: against other VMs of the host
 * @cpu_period_us: in which there are
 * @cpu_quota_us: of CPU time for all threads of QEMU
 * @memory_kib: of QEMU altogether, the guest's memory included
 *
 * What a VM may take of the host where its template says nothing of that.
 */
typedef struct
{
  guint64 cpu_shares;
  guint64 cpu_period_us;
  guint64 cpu_quota_us;
  guint64 memory_kib;
} BerthDomainLimits;

BerthDomainLimits berth_template_limits (const char *domain_type, guint memory_mb, guint vcpus);

#define BERTH_TEMPLATE_NO_LANGUAGE "none"

typedef struct _BerthTemplate BerthTemplate; /* immutable, atomically reference counted */

#define BERTH_TYPE_TEMPLATE (berth_template_get_type ())
GType berth_template_get_type (void);
BerthTemplate *berth_template_load (const char *path, const char *schema_path, GError **error);
/* The same of what is to be a file: @path is named in errors, and includes are looked up from its
 * folder. */
BerthTemplate *berth_template_load_data (const char *data, gsize length, const char *path,
                                         const char *schema_path, GError **error);
BerthTemplate *berth_template_ref (BerthTemplate *self);
void berth_template_unref (BerthTemplate *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTemplate, berth_template_unref)

const char *berth_template_get_name (BerthTemplate *self);
const char *berth_template_get_path (BerthTemplate *self);
const char *berth_template_get_language (BerthTemplate *self);
/* Whether code can be run in its VMs, else only its own programs can */
gboolean berth_template_has_language (BerthTemplate *self);
/* Whether a template may have this language: a name of one, or BERTH_TEMPLATE_NO_LANGUAGE */
gboolean berth_template_check_language (const char *name, GError **error);
guint berth_template_get_memory_mb (BerthTemplate *self); /* default, MiB */
guint berth_template_get_vcpus (BerthTemplate *self);
/* of its VMs, unless somebody asks for another size; the name is borrowed */
BerthShape berth_template_get_shape (BerthTemplate *self);
guint berth_template_get_boot_timeout_s (BerthTemplate *self);

/* Whether each program gets an interpreter that was started for it: then no two clones share one's
 * address layout, stack canary and seed of hashes. */
gboolean berth_template_is_fresh (BerthTemplate *self);
/* What its VMs may reach, of all that may be reached */
const BerthReachWords *berth_template_get_reach (BerthTemplate *self);
const char *const *berth_template_get_layers (BerthTemplate *self); /* names */
/* Whether each of its VMs gets a network card when it is somebody's */
gboolean berth_template_has_card (BerthTemplate *self);
/* (transfer full): the XML of such a card, for libvirt to plug in. @mac: its address, 6 bytes. Any
 * thread. */
char *berth_template_dup_card (BerthTemplate *self, const guint8 *mac);
/* NAME=VALUE: of each program of its VMs, unless that has another value for it */
const char *const *berth_template_get_env (BerthTemplate *self);
/* (nullable): what is run where nobody gives code: a program and its arguments */
const char *const *berth_template_get_entry (BerthTemplate *self);
/* (nullable): where that starts */
const char *berth_template_get_workdir (BerthTemplate *self);
/* sha256 of the expanded XML: part of what a snapshot is valid for */
const char *berth_template_get_digest (BerthTemplate *self);

/* The domain's XML. Any thread. Fails only with BERTH_TEMPLATE_ERROR_DOMAIN. */
char *
berth_template_instantiate (BerthTemplate *self, const BerthDomainParams *params, GError **error);

/* What of @params a saved state depends on, as a checksum of the domain less what differs from one
 * of its lives to the next: of @params it reads @domain_type, @memory_mb, @vcpus, the number of
 * @layers and @unwanted_features. Any thread. */
char *
berth_template_dup_hardware (BerthTemplate *self, const BerthDomainParams *params, GError **error);

gboolean berth_template_wants_skip_cpu_probe (gulong libvirt_version);

/**
 * berth_template_load_all:
 * @dirs: folders, later ones override by template name; one that does not exist is skipped
 * @schema_path: berth.rng
 * @errors: (out) (element-type GError): a message per file that was left out
 *
 * Returns: (transfer full) (element-type utf8 BerthTemplate): by name
 */
GHashTable *
berth_template_load_all (const char *const *dirs, const char *schema_path, GPtrArray **errors);

G_END_DECLS
