/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What berth does to libvirt's domains: blocking calls, each on the thread that makes it. */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

#include "berth-connection.h"
#include "berth-counted.h"
#include "berth-domain-handle.h"
#include "berth-mark.h"
#include "berth-template.h"

G_BEGIN_DECLS

/* Is there a domain of this name, ours or anyone's? */
gboolean berth_domain_is_name_taken (virConnectPtr connection, const char *name);

/**
 * BerthDomainPlace:
 * @BERTH_DOMAIN_PLACE_NONE: no domain has the name
 * @BERTH_DOMAIN_PLACE_DEFINED: it is that of @uuid, which has our mark and does not run
 * @BERTH_DOMAIN_PLACE_TAKEN: somebody else's, one whose mark somebody took out, or one that runs
 *
 * What a domain's name stands for just now.
 */
typedef enum
{
  BERTH_DOMAIN_PLACE_NONE,
  BERTH_DOMAIN_PLACE_DEFINED,
  BERTH_DOMAIN_PLACE_TAKEN,
} BerthDomainPlace;

/* @out_definition: (out) (nullable): of one that is defined, what its mark says that it was made
 * of */
BerthDomainPlace
berth_domain_look_up_place (virConnectPtr connection, const char *instance, const char *name,
                            const char *uuid, char **out_definition);
/* Defines it, or defines it anew. Fails with G_IO_ERROR_EXISTS where somebody else's domain has its
 * uuid. */
gboolean berth_domain_define_place (virConnectPtr connection, const char *xml, GError **error);
/* Undefines it, unless it runs or is none of @instance's (any more): whatever state the mark of one
 * that does not run tells, it stands for no VM. */
gboolean berth_domain_remove_place (virConnectPtr connection, const char *instance,
                                    const char *uuid, GError **error);

/**
 * BerthDomainStartFlags:
 * @BERTH_DOMAIN_START_PAUSED: start it without running it
 * @BERTH_DOMAIN_START_KNOWN: libvirt has validated one of the same shape: validating against its
 *   schema takes 26 ms of libvirtd's time, the rest of the definition 3 ms
 */
typedef enum
{
  BERTH_DOMAIN_START_PAUSED = 1 << 0,
  BERTH_DOMAIN_START_KNOWN = 1 << 1,
} BerthDomainStartFlags;

/**
 * berth_domain_start:
 * @xml: of the domain
 * @flags: of #BerthDomainStartFlags
 * @handle: (nullable): gets it
 * @out_live_xml: (out) (transfer full): as it runs, with all that libvirt filled in
 *
 * Starts a domain for this one life. What is defined of its name and uuid is left as it is, and
 * holds again when the life is over. What a failure leaves behind, berth_domain_end() clears away.
 * Fails with G_IO_ERROR_EXISTS where somebody has let the domain of this uuid run just before: what
 * runs is not this life. With BERTH_ERROR_CONFIG where libvirt refuses the XML, else with
 * BERTH_ERROR_UNAVAILABLE.
 */
gboolean berth_domain_start (virConnectPtr connection, const char *xml, guint flags,
                             BerthDomainHandle *handle, char **out_live_xml, GError **error);

/* Pauses or resumes it. @handle: (nullable) */
gboolean berth_domain_set_paused (virConnectPtr connection, const char *uuid,
                                  BerthDomainHandle *handle, gboolean is_paused, GError **error);
/* Pauses a domain so that libvirt tells this pause from all others: virDomainSuspend() is what an
 * administrator's tools call, while of a pause that QEMU was asked for past libvirt it knows no
 * reason. Fails where somebody else has paused it. */
gboolean berth_domain_stand_by (virConnectPtr connection, const char *uuid, GError **error);
/* Writes a paused domain's device state to @fd, or reads it into one that waits for it. */
gboolean
berth_domain_save_state (virConnectPtr connection, const char *uuid, int fd, GError **error);
gboolean berth_domain_load_state (virConnectPtr connection, const char *uuid,
                                  BerthDomainHandle *handle, int fd, GError **error);
/* Behind the reading: without, what an administrator saves of it can't be restored. */
gboolean berth_domain_forget_load (virConnectPtr connection, const char *uuid,
                                   BerthDomainHandle *handle, GError **error);
/* Plugs a device into a domain for this life of it. Fails with BERTH_ERROR_UNAVAILABLE. */
gboolean berth_domain_attach (virConnectPtr connection, const char *uuid, const char *device_xml,
                              GError **error);
/* Replaces title and mark of a running domain. */
gboolean berth_domain_set_mark (virConnectPtr connection, const char *uuid, const char *mark_xml,
                                const char *title, GError **error);

/**
 * BerthDomainEnding:
 * @BERTH_DOMAIN_ENDED: it is gone
 * @BERTH_DOMAIN_SAVED: likewise, and somebody had saved it (virsh save) and may restore it
 * @BERTH_DOMAIN_RETURNED: it had ended and somebody has let it run again, so it was left alone
 */
typedef enum
{
  BERTH_DOMAIN_ENDED,
  BERTH_DOMAIN_SAVED,
  BERTH_DOMAIN_RETURNED,
} BerthDomainEnding;

/* Destroys a domain, its logs with it, and undefines it unless it is a place that stays
 * (@keeps_place); one that was saved is undefined always, as whoever restores it brings its own
 * definition. TRUE also when there is none (any more): then the logs of @name, if that is nobody
 * else's now, are what is left of it. @uri: of @connection. @id: libvirt's number of the life that
 * is to end, as berth_domain_read_id() tells; 0: any. @out_ending: (out) (optional) */
gboolean
berth_domain_end (virConnectPtr connection, const char *uri, const char *uuid, const char *name,
                  guint id, gboolean keeps_place, BerthDomainEnding *out_ending, GError **error);

/* What can this libvirt limit of a running domain? It has no other way to be asked: it can't
 * without the host's cgroup controllers cpu and memory, and not on qemu:///session. */
BerthConnectionLimits berth_domain_get_limits (virConnectPtr connection, const char *uuid);
/* Limits a running domain by all of @limits that is not 0, as far as its host can. */
void berth_domain_limit (virConnectPtr connection, const char *uuid, BerthDomainHandle *handle,
                         const BerthDomainLimits *limits);

/* (transfer full) (nullable): QEMU's own word for why a domain that libvirt says is paused stands
 * still; NULL: it is not paused */
char *berth_domain_dup_stop_status (virConnectPtr connection, const char *uuid);

/* Is it running or paused? FALSE also when it does not exist. */
gboolean berth_domain_is_active (virConnectPtr connection, const char *uuid);
/* libvirt's number of the life that it is in; 0: it does not run, or does not exist. FALSE: libvirt
 * does not say. */
gboolean
berth_domain_get_life (virConnectPtr connection, const char *uuid, guint *out_life, GError **error);
/* What `virsh managedsave` left of a domain that does not run: nobody's state starts with it. */
void berth_domain_drop_saved (virConnectPtr connection, const char *uuid);
/* Does it run? FALSE also when it does not exist. */
gboolean berth_domain_is_running (virConnectPtr connection, const char *uuid);

/**
 * BerthOwnDomain:
 * @uuid: of the domain
 * @name: of it
 * @mark: its mark
 * @id: libvirt's number of this life of it; 0 where it does not run
 * @memory_mb: of its guest; MiB
 * @vcpus: of its guest
 * @is_active: it runs or is paused
 * @is_paused: it exists and does not run, for whatever reason
 * @stands_by: it is paused since berth_domain_stand_by(), so that nobody has resumed it; not by
 *   anybody else, by an error, or while it comes up
 *
 * A domain that carries the mark of an instance.
 */
typedef struct
{
  char *uuid;
  char *name;
  BerthMark *mark;
  guint id;
  guint memory_mb;
  guint vcpus;
  gboolean is_active;
  gboolean is_paused;
  gboolean stands_by;
} BerthOwnDomain;

void berth_own_domain_free (BerthOwnDomain *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthOwnDomain, berth_own_domain_free)

/* (transfer full) (nullable): the domain of @uuid, if it carries the mark of @instance */
BerthOwnDomain *
berth_domain_find_own (virConnectPtr connection, const char *instance, const char *uuid);
/* (transfer full) (element-type BerthOwnDomain): all domains that carry the mark of @instance; NULL
 * on failure. Domains without it are not touched (invariant 9). */
GPtrArray *berth_domain_list_own (virConnectPtr connection, const char *instance, GError **error);

/* (transfer full) (element-type BerthCounted): the domains that run, or are paused, and are to be
 * counted though they are not berth's */
GPtrArray *berth_domain_list_counted (virConnectPtr connection);
/* It is not active, by libvirt's own word: FALSE also where libvirt does not answer. */
gboolean berth_domain_has_ended (virConnectPtr connection, const char *uuid);

/* (transfer full) (nullable): the XML of a domain as it runs */
char *berth_domain_dup_live_xml (virConnectPtr connection, const char *uuid, GError **error);

/* libvirt's number of this life of a domain, which the next one does not have; 0: it has none */
guint berth_domain_read_id (const char *live_xml);
/* (transfer full) (nullable): path of the socket behind the virtio port @port */
char *berth_domain_dup_channel_path (const char *live_xml, const char *port);
/* (transfer full) (nullable): path of the file that the first serial console is logged to */
char *berth_domain_dup_console_path (const char *live_xml);

/* Connects to the agent's port: by its socket where this user may, else through libvirtd. The
 * domain is looked up by @uuid for the latter. */
GSocket *berth_domain_connect_port (virConnectPtr connection, const char *uuid, const char *path,
                                    const char *port, GError **error);

G_END_DECLS
