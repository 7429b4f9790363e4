/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the URI of a proxy. */
#include "plugin/reach/berth-reach-proxy.h"

#include <string.h>

#include "plugin/reach/berth-reach-rule.h"
#include "pool/berth-error.h"

/* Of SOCKS, a byte tells how many */
#define WORD_MAX 255u

void
berth_reach_proxy_free (BerthReachProxy *self)
{
  if (self == NULL)
    return;
  g_free (self->host);
  g_free (self->user);
  g_free (self->password);
  g_free (self);
}

/* Nothing but what a proxy is asked by */
static gboolean
is_proxy (GUri *uri)
{
  const char *scheme = g_uri_get_scheme (uri);
  const char *path = g_uri_get_path (uri);

  return (g_str_equal (scheme, "http") || g_str_equal (scheme, "socks5"))
         && g_uri_get_port (uri) > 0 && g_uri_get_query (uri) == NULL
         && g_uri_get_fragment (uri) == NULL && (path[0] == '\0' || g_str_equal (path, "/"));
}

/* A word of the line, or of SOCKS: neither may have a part of its own in it. */
static gboolean
is_word (const char *text)
{
  if (text == NULL)
    return TRUE;
  for (const char *at = text; *at != '\0'; at++)
    if (g_ascii_iscntrl (*at))
      return FALSE;
  return strlen (text) <= WORD_MAX;
}

BerthReachProxy *
berth_reach_proxy_parse (const char *uri, GError **error)
{
  g_autoptr (GUri) parsed
      = g_uri_parse (uri, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_PARSE_RELAXED, NULL);
  g_autoptr (BerthReachProxy) self = g_new0 (BerthReachProxy, 1);

  if (parsed != NULL && is_proxy (parsed) && g_uri_get_host (parsed) != NULL)
    {
      self->is_http = g_str_equal (g_uri_get_scheme (parsed), "http");
      self->host = berth_reach_name_normalize (g_uri_get_host (parsed));
      self->port = (guint16)g_uri_get_port (parsed);
      self->user = g_strdup (g_uri_get_user (parsed));
      self->password = g_strdup (g_uri_get_password (parsed));
    }
  if (self->host != NULL && is_word (self->user) && is_word (self->password))
    return g_steal_pointer (&self);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "that is no proxy: give %s",
               BERTH_REACH_PROXY_FORM);
  return NULL;
}
