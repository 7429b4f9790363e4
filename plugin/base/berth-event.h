/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an administrator looks for in the journal: each kind has a number of its own, by which
 * journalctl finds it and explains it (-x), and says in fields whom it is about.
 *
 *     journalctl MESSAGE_ID=fcf4368a82114e5e8141497afc9005c9 TENANT=acme -x
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Each stands in packaging/systemd/berth.catalog, too; made by `systemd-id128 new`, never used for
 * another kind. */
#define BERTH_EVENT_VM_LOST "fcf4368a82114e5e8141497afc9005c9"
#define BERTH_EVENT_VM_STUCK "7cc383cd98284c21819395e2eae3d9bb"
#define BERTH_EVENT_VM_TAMPERED "899faa95cfed42f9b3014e5d695cc875"
#define BERTH_EVENT_BOOT_FAILED "89363f3749fb476781198f5402e6cd8d"
#define BERTH_EVENT_KVM_GIVEN_UP "38ddf87799894a5c9392293d0aa1fbb1"
#define BERTH_EVENT_DOMAIN_COUNTED "118378037c0746c69d8fa7699c1a2101"
#define BERTH_EVENT_SESSION_FOUND "6986b8e95a12493d9cd8012d8c4e5658"
#define BERTH_EVENT_SESSION_PAUSED "d1bce875c4c24aa9ba1fb74c71985734"
#define BERTH_EVENT_SESSION_RESUMED "fd8b6fd46bb94f4ba983c0d8a7629623"
#define BERTH_EVENT_SESSION_FORKED "b077539e05064e81a829399da2c73873"
#define BERTH_EVENT_SNAPSHOT_READY "a382aaf2daa647c8b123f4572f16b7a1"
#define BERTH_EVENT_SNAPSHOT_FAILED "6c10a1a9bd7c444f8e7ce4ac363c0d0a"
#define BERTH_EVENT_LIBVIRT_LOST "4a6db4419a004b81b0e5830b779d548a"
#define BERTH_EVENT_LIBVIRT_BACK "257ca0781f724efa92c603237f3af6c5"
#define BERTH_EVENT_PORT "7ba7b5fd9e6d4ebc859fc4a0bc72b00f"
#define BERTH_EVENT_ADMITTING "b405b7afff194b5f8d6a64330d06584a"
#define BERTH_EVENT_REACH "c8f3a018671f4e37b918e43d783fdb62"

/**
 * BerthEventSubject:
 * @template_name: (nullable): of the VM, or of the snapshot; field TEMPLATE
 * @domain: (nullable): its name in libvirt; field DOMAIN
 * @domain_uuid: (nullable): field DOMAIN_UUID
 * @sandbox: (nullable): the id that its owner has; field SANDBOX
 * @tenant: (nullable): of its owner; field TENANT
 * @task: (nullable): likewise; field TASK
 * @uid: (nullable): of its owner; field OWNER_UID
 *
 * Whom an event is about, as far as it is known.
 */
typedef struct
{
  const char *template_name;
  const char *domain;
  const char *domain_uuid;
  const char *sandbox;
  const char *tenant;
  const char *task;
  const guint32 *uid;
} BerthEventSubject;

/**
 * BerthEventField:
 * @key: in capitals; NULL ends a list of them
 * @value: (nullable): NULL: there is no such field
 *
 * What an event says beside whom it is about.
 */
typedef struct
{
  const char *key;
  const char *value;
} BerthEventField;

#define BERTH_EVENT_FIELDS_MAX 8u

/* As berth_event_log(), with @fields: at most BERTH_EVENT_FIELDS_MAX. Any thread. */
void berth_event_log_fields (GLogLevelFlags level, const char *message_id,
                             const BerthEventSubject *subject, const BerthEventField *fields,
                             const char *format, ...) G_GNUC_PRINTF (5, 6);
/* Logs an event of the kind @message_id. Any thread. */
void
berth_event_log (GLogLevelFlags level, const char *message_id, const BerthEventSubject *subject,
                 const char *format, ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
