/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table for programs and files: an error of the agent says the same whatever was asked for. */
#include "berth-guest-error.h"

#include "berth-protocol.h"

/* Trying again would not help. */
#define FULL_REMEDY ": remove something in the sandbox, or make one with more memory"

BerthError
berth_guest_error_get_code (const BerthFrame *frame)
{
  switch (berth_le32_read (frame->payload))
    {
    case BERTH_AGENT_ERROR_INVALID:
    case BERTH_AGENT_ERROR_LANGUAGE:
    case BERTH_AGENT_ERROR_FULL:
      return BERTH_ERROR_INVALID;
    case BERTH_AGENT_ERROR_BUSY:
    case BERTH_AGENT_ERROR_RESOURCE:
    case BERTH_AGENT_ERROR_DAMAGED:
      return BERTH_ERROR_UNAVAILABLE;
    default:
      return BERTH_ERROR_INTERNAL;
    }
}

char *
berth_guest_error_dup_text (const BerthFrame *frame)
{
  g_autofree char *text
      = g_utf8_make_valid ((const char *)frame->payload + 4, (gssize)frame->length - 4);

  if (berth_le32_read (frame->payload) == BERTH_AGENT_ERROR_FULL)
    return g_strconcat (text, FULL_REMEDY, NULL);
  return g_steal_pointer (&text);
}
