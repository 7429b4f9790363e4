/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CONNECT (RFC 9110, 9.3.6): a line and two fields, and a line that says yes or no. GLib's own has
 * a thread of a pool that all share for each proxy that takes its time. */
#include "plugin/connector/berth-connector-http.h"

#include <string.h>

char *
berth_connector_http_dup_request (const BerthReachProxy *self, const char *name, guint16 port)
{
  const char *open = strchr (name, ':') != NULL ? "[" : "";
  const char *shut = open[0] != '\0' ? "]" : "";
  g_autofree char *to = g_strdup_printf ("%s%s%s:%u", open, name, shut, port);
  GString *request = g_string_new (NULL);

  g_string_append_printf (request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", to, to);
  if (self->user != NULL)
    {
      g_autofree char *both
          = g_strconcat (self->user, ":", self->password != NULL ? self->password : "", NULL);
      g_autofree char *coded = g_base64_encode ((const guchar *)both, strlen (both));

      g_string_append_printf (request, "Proxy-Authorization: Basic %s\r\n", coded);
    }
  g_string_append (request, "\r\n");
  return g_string_free (request, FALSE);
}

/* "HTTP/1.1 200 ...": 200; 0: it is no such line */
static guint
get_status (const char *head, gsize size)
{
  static const char form[] = "HTTP/1.? ???";
  guint status = 0;

  if (size < sizeof form)
    return 0;
  for (gsize i = 0; i < sizeof form - 1; i++)
    if (form[i] == '?' ? !g_ascii_isdigit (head[i]) : head[i] != form[i])
      return 0;
  for (gsize i = sizeof form - 4; i < sizeof form - 1; i++)
    status = status * 10 + (guint)g_ascii_digit_value (head[i]);
  return strchr (" \r\n", head[sizeof form - 1]) != NULL ? status : 0;
}

gboolean
berth_connector_http_check (const char *head, gsize size, GError **error)
{
  static const struct
  {
    guint status;
    GIOErrorEnum code;
  } known[] = {
    { 401, G_IO_ERROR_PROXY_NOT_ALLOWED }, { 403, G_IO_ERROR_PROXY_NOT_ALLOWED },
    { 407, G_IO_ERROR_PROXY_AUTH_FAILED }, { 502, G_IO_ERROR_HOST_UNREACHABLE },
    { 503, G_IO_ERROR_HOST_UNREACHABLE },  { 504, G_IO_ERROR_TIMED_OUT },
  };
  guint status = get_status (head, size);
  GIOErrorEnum code = G_IO_ERROR_PROXY_FAILED;

  if (status >= 200 && status < 300)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].status == status)
      code = known[i].code;
  if (status == 0)
    g_set_error (error, G_IO_ERROR, code, "network_proxy speaks no HTTP");
  else
    g_set_error (error, G_IO_ERROR, code, "network_proxy says %u%s", status,
                 code == G_IO_ERROR_PROXY_AUTH_FAILED ? ": give it a user and a password" : "");
  return FALSE;
}
