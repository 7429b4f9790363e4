/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's side of D-Bus's authentication, with one mechanism. GIO's own waits for each line on
 * one of the few threads that all of a process has. */
#include "plugin/daemon/berth-sasl.h"

#include <string.h>

void
berth_sasl_init (BerthSasl *self, guint32 uid, const char *guid)
{
  memset (self, 0, sizeof *self);
  self->uid = uid;
  self->guid = guid;
}

static void
say (GString *answer, const char *text)
{
  g_string_append (answer, text);
  g_string_append (answer, "\r\n");
}

/* Whether @hex is the uid's decimal digits, each as two hexadecimal ones. Nobody has to name
 * himself: he is who he is. */
static gboolean
is_identity (const BerthSasl *self, const char *hex)
{
  g_autofree char *number = g_strdup_printf ("%u", self->uid);
  gsize length = strlen (number);

  if (*hex == '\0')
    return TRUE;
  if (strlen (hex) != 2 * length)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (g_ascii_xdigit_value (hex[2 * i]) * 16 + g_ascii_xdigit_value (hex[2 * i + 1])
        != (guchar)number[i])
      return FALSE;
  return TRUE;
}

static void
reject (BerthSasl *self, GString *answer)
{
  say (answer, "REJECTED EXTERNAL");
  self->stage = BERTH_SASL_STAGE_AUTH;
}

static void
identify (BerthSasl *self, const char *hex, GString *answer)
{
  if (!is_identity (self, hex))
    {
      reject (self, answer);
      return;
    }
  g_string_append_printf (answer, "OK %s\r\n", self->guid);
  self->stage = BERTH_SASL_STAGE_BEGIN;
}

static void
take_auth (BerthSasl *self, const char *arguments, GString *answer)
{
  if (strcmp (arguments, "EXTERNAL") == 0)
    {
      say (answer, "DATA");
      self->stage = BERTH_SASL_STAGE_DATA;
    }
  else if (g_str_has_prefix (arguments, "EXTERNAL "))
    identify (self, arguments + strlen ("EXTERNAL "), answer);
  else
    reject (self, answer);
}

static BerthSaslState
take_line (BerthSasl *self, char *line, GString *answer)
{
  char *space = strchr (line, ' ');
  const char *arguments = space != NULL ? space + 1 : "";

  if (space != NULL)
    *space = '\0';
  if (strcmp (line, "BEGIN") == 0)
    return self->stage == BERTH_SASL_STAGE_BEGIN ? BERTH_SASL_DONE : BERTH_SASL_REFUSED;
  if (strcmp (line, "AUTH") == 0 && self->stage == BERTH_SASL_STAGE_AUTH)
    take_auth (self, arguments, answer);
  else if (strcmp (line, "DATA") == 0 && self->stage == BERTH_SASL_STAGE_DATA)
    identify (self, arguments, answer);
  else if (strcmp (line, "NEGOTIATE_UNIX_FD") == 0 && self->stage == BERTH_SASL_STAGE_BEGIN)
    say (answer, "AGREE_UNIX_FD");
  else if (strcmp (line, "CANCEL") == 0 || strcmp (line, "ERROR") == 0)
    reject (self, answer);
  else
    say (answer, "ERROR");
  return BERTH_SASL_MORE;
}

BerthSaslState
berth_sasl_take (BerthSasl *self, guint8 byte, GString *answer)
{
  if (self->stage == BERTH_SASL_STAGE_NUL)
    {
      self->stage = BERTH_SASL_STAGE_AUTH;
      return byte == '\0' ? BERTH_SASL_MORE : BERTH_SASL_REFUSED;
    }
  if (self->length == sizeof self->line - 1 || byte == '\0' || byte >= 0x80)
    return BERTH_SASL_REFUSED;
  self->line[self->length++] = (char)byte;
  if (byte != '\n')
    return BERTH_SASL_MORE;
  if (self->length < 2 || self->line[self->length - 2] != '\r'
      || ++self->n_lines > BERTH_SASL_LINES)
    return BERTH_SASL_REFUSED;
  self->line[self->length - 2] = '\0';
  self->length = 0;
  return take_line (self, self->line, answer);
}
