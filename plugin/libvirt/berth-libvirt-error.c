/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's errors as ours, at the one place that reads them. */
#include "berth-libvirt-error.h"

#include <string.h>
#include <sys/un.h>

/* With the NUL, which counts for libvirt and QEMU */
#define PATH_MOST (sizeof (((struct sockaddr_un *)NULL)->sun_path) - 1)

/* A file of another kind may have a long path, and another trouble. */
static gboolean
is_of_libvirts_socket (const char *path, gsize size)
{
  static const char *const ends[] = { "/org.berth.agent.0", "/monitor.sock", "/qmp.monitor" };
  g_autofree char *whole = g_strndup (path, size);

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    if (g_str_has_suffix (whole, ends[i]))
      return TRUE;
  return FALSE;
}

char *
berth_libvirt_error_find_long_path (const char *message)
{
  for (const char *at = strchr (message, '/'); at != NULL; at = strchr (at, '/'))
    {
      gsize size = strcspn (at, "', ;\n");

      if (size > PATH_MOST && is_of_libvirts_socket (at, size))
        return g_strdup_printf ("libvirt's sockets are below this user's home, and the path of "
                                "one, %.*s, has %" G_GSIZE_FORMAT " bytes of %" G_GSIZE_FORMAT
                                ": end this user's libvirtd and berthd and start both with "
                                "XDG_CONFIG_HOME set to a folder with a shorter name",
                                (int)size, at, size, PATH_MOST);
      at += size;
    }
  return NULL;
}

int
berth_libvirt_error_set (GError **error, BerthError code, const char *doing)
{
  virErrorPtr last = virGetLastError ();
  int number = last != NULL ? last->code : VIR_ERR_OK;
  g_autofree char *remedy = NULL;
  g_autofree char *message = g_utf8_make_valid (
      last != NULL && last->message != NULL ? last->message : "no reason given", -1);

  /* what a QEMU that ended has written comes with its line ends; ours is one line */
  g_strdelimit (g_strchomp (message), "\r\n", ';');
  remedy = berth_libvirt_error_find_long_path (message);
  g_set_error (error, BERTH_ERROR, remedy != NULL ? BERTH_ERROR_CONFIG : code,
               "%s: %s (libvirt %d)", doing, remedy != NULL ? remedy : message, number);
  virResetLastError ();
  return number;
}

int
berth_libvirt_error_get_code (void)
{
  return virGetLastErrorCode ();
}

BerthError
berth_libvirt_error_blame (int number)
{
  switch (number)
    {
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_UNAVAILABLE:
      return BERTH_ERROR_CONFIG;
    default:
      return BERTH_ERROR_UNAVAILABLE;
    }
}

int
berth_libvirt_error_take_code (void)
{
  int number = virGetLastErrorCode ();

  virResetLastError ();
  return number;
}

static void
ignore_error_cb (void *user_data, virErrorPtr error)
{
}

void
berth_libvirt_error_silence (void)
{
  virSetErrorFunc (NULL, ignore_error_cb);
}
