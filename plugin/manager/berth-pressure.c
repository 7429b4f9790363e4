/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is the host short of memory? */
#include "berth-pressure.h"

#include <string.h>

#define PSI_BEGIN 20.0 /* percent */
#define PSI_END 10.0

/* The number behind @key; -1 where there is none. */
static double
find_number (const char *text, const char *key)
{
  const char *at = text != NULL ? strstr (text, key) : NULL;
  char *end = NULL;
  double number = 0;

  if (at == NULL)
    return -1;
  at += strlen (key);
  number = g_ascii_strtod (at, &end);
  return end != at ? number : -1;
}

gboolean
berth_pressure_update (BerthPressure *self, const char *meminfo, const char *psi)
{
  double available_mb = find_number (meminfo, "MemAvailable:") / 1024;
  double waiting = find_number (psi, "some avg10=");
  double wanted_mb = self->is_pressed ? self->reserve_mb * 1.5 : self->reserve_mb;

  if (available_mb < 0)
    return self->is_pressed;
  self->is_pressed
      = available_mb < wanted_mb || waiting >= (self->is_pressed ? PSI_END : PSI_BEGIN);
  return self->is_pressed;
}

gboolean
berth_pressure_look (BerthPressure *self)
{
  g_autofree char *meminfo = NULL;
  g_autofree char *psi = NULL;

  g_file_get_contents ("/proc/meminfo", &meminfo, NULL, NULL);
  g_file_get_contents ("/proc/pressure/memory", &psi, NULL, NULL);
  return berth_pressure_update (self, meminfo, psi);
}
