/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berth's metadata in a domain: the mark that says whose it is, and all the state there is. */
#pragma once

#include <glib.h>

#include "pool/berth-types.h"

G_BEGIN_DECLS

#define BERTH_MARK_URI                                                                             \
  "urn:berth:domain:1" /* namespace of the mark and of a template's element                        \
                        */
#define BERTH_MARK_PREFIX "berth"

#define BERTH_MARK_STATE_WARM "warm"         /* nobody's: used again, if it is paused and healthy */
#define BERTH_MARK_STATE_SESSION "session"   /* somebody's who knows its id: kept */
#define BERTH_MARK_STATE_RUN "run"           /* somebody's whose connection is gone: ended */
#define BERTH_MARK_STATE_SNAPSHOT "snapshot" /* was to be recorded: ended */
#define BERTH_MARK_STATE_PLACE "place"       /* no VM: what is defined between two lives */

/**
 * BerthMark:
 * @instance: which berthd owns the domain; another's is foreign
 * @id: berth_vm_get_id()
 * @template_name: of its template
 * @language: (nullable): what its interpreter speaks, whatever has become of the template since
 * @snapshot: (nullable): of the snapshot that it was cloned from
 * @state: one of BERTH_MARK_STATE_...: what becomes of the VM when berthd starts again
 * @tenant: (nullable): of the request that it serves
 * @task: (nullable): the same
 * @uid: the Unix user that it serves, G_MAXUINT32 for none
 * @idle_timeout_ms: of a session whose maker asked for one; 0 for the usual
 * @idle_pause_ms: likewise, until it is paused; 0 for the usual
 * @idle_hibernate_ms: likewise, until it is hibernated
 * @generation: of a session's VMs; of two, the one with the higher is the session's
 * @created: Unix time in seconds
 * @allow: (nullable): what its programs may reach, rules with spaces between; of a session
 * @process: (nullable): which QEMU has it, once its guest is somebody of its own: one that libvirt
 *   has restored has the mark of what was saved, and another QEMU
 * @fork_of: (nullable): id of the sandbox whose copy it began as
 * @checkpoint: (nullable): name of that one's checkpoint, where it began with that
 * @definition: (nullable): of a place: a sum of what it was defined from
 */
typedef struct
{
  char *instance;
  char *id;
  char *template_name;
  char *language;
  char *snapshot;
  char *state;
  char *tenant;
  char *task;
  guint32 uid;
  guint32 idle_timeout_ms;
  guint32 idle_pause_ms;
  guint32 idle_hibernate_ms;
  guint32 generation;
  gint64 created;
  char *allow;
  char *process;
  char *fork_of;
  char *checkpoint;
  char *definition;
} BerthMark;

void berth_mark_free (BerthMark *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthMark, berth_mark_free)

/* <berth:vm xmlns:berth='urn:berth:domain:1' .../>, as it stands in a domain's XML */
char *berth_mark_to_xml (const BerthMark *self);
/* <vm .../>, as virDomainSetMetadata() takes it */
char *berth_mark_to_metadata (const BerthMark *self);
/* From the element alone (virDomainGetMetadata) or a whole domain's XML. NULL and *@error unset:
 * no mark there. NULL and *@error set: a mark that is not ours or broken. */
BerthMark *berth_mark_parse (const char *xml, GError **error);
/* "python, tenant acme, task 42, fork of ...": what an administrator reads in virsh list --title */
char *berth_mark_to_title (const BerthMark *self);

G_END_DECLS
