/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/base/berth-event.h"

#define FIELDS_MAX (11u + BERTH_EVENT_FIELDS_MAX)

typedef struct
{
  GLogField all[FIELDS_MAX];
  gsize count;
} Fields;

static void
fields_add (Fields *self, const char *key, const char *value)
{
  if (value != NULL)
    self->all[self->count++] = (GLogField){ key, value, -1 };
}

/* of syslog, as the journal has it: 4 is a warning, 5 a notice */
static const char *
priority_of (GLogLevelFlags level)
{
  return (level & G_LOG_LEVEL_WARNING) != 0 ? "4" : "5";
}

static void
log_all (GLogLevelFlags level, const char *message_id, const BerthEventSubject *subject,
         const BerthEventField *more, const char *text)
{
  const BerthEventSubject nobody = { 0 };
  g_autofree char *uid = NULL;
  Fields fields = { .count = 0 };

  if (subject == NULL)
    subject = &nobody;
  if (subject->uid != NULL)
    uid = g_strdup_printf ("%u", *subject->uid);
  fields_add (&fields, "MESSAGE", text);
  fields_add (&fields, "MESSAGE_ID", message_id);
  fields_add (&fields, "PRIORITY", priority_of (level));
  fields_add (&fields, "GLIB_DOMAIN", G_LOG_DOMAIN);
  fields_add (&fields, "TEMPLATE", subject->template_name);
  fields_add (&fields, "DOMAIN", subject->domain);
  fields_add (&fields, "DOMAIN_UUID", subject->domain_uuid);
  fields_add (&fields, "SANDBOX", subject->sandbox);
  fields_add (&fields, "TENANT", subject->tenant);
  fields_add (&fields, "TASK", subject->task);
  fields_add (&fields, "OWNER_UID", uid);
  for (guint i = 0; more != NULL && more[i].key != NULL && i < BERTH_EVENT_FIELDS_MAX; i++)
    fields_add (&fields, more[i].key, more[i].value);
  g_log_structured_array (level, fields.all, fields.count);
}

void
berth_event_log (GLogLevelFlags level, const char *message_id, const BerthEventSubject *subject,
                 const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  log_all (level, message_id, subject, NULL, text);
}

void
berth_event_log_fields (GLogLevelFlags level, const char *message_id,
                        const BerthEventSubject *subject, const BerthEventField *fields,
                        const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  log_all (level, message_id, subject, fields, text);
}
