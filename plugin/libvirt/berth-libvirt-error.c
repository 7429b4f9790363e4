/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's errors as ours, at the one place that reads them. */
#include "berth-libvirt-error.h"

int
berth_libvirt_error_set (GError **error, BerthError code, const char *doing)
{
  virErrorPtr last = virGetLastError ();
  int number = last != NULL ? last->code : VIR_ERR_OK;
  g_autofree char *message = g_utf8_make_valid (
      last != NULL && last->message != NULL ? last->message : "no reason given", -1);

  /* what a QEMU that ended has written comes with its line ends; ours is one line */
  g_strdelimit (g_strchomp (message), "\r\n", ';');
  g_set_error (error, BERTH_ERROR, code, "%s: %s (libvirt %d)", doing, message, number);
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
