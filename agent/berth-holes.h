/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The holes of a file that is put: a list that comes before its bytes, of which those in holes are
 * left out. Pure functions of it, for both sides. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BERTH_HOLES_MAX 1024u /* of one file; more are sent as the zeros that they are */

/* Zeros of a file that take no space and are not sent. They come in their order, and between two of
 * them is at least a byte. */
typedef struct __attribute__ ((packed))
{
  uint64_t begin;
  uint64_t size;
} BerthHole;

/* Why these can't be the holes of a file of this size; NULL: they can. */
static inline const char *
berth_holes_problem (const BerthHole *holes, size_t count, uint64_t size)
{
  uint64_t end = 0;

  if (count > BERTH_HOLES_MAX)
    return "more holes than a file may have";
  for (size_t i = 0; i < count; i++)
    {
      if (holes[i].begin < end || (i > 0 && holes[i].begin == end))
        return "holes are given in their order, and not one at another";
      if (holes[i].size == 0 || holes[i].begin > size || holes[i].size > size - holes[i].begin)
        return "a hole that is not in the file";
      end = holes[i].begin + holes[i].size;
    }
  return NULL;
}

/* The bytes of a file of this size that are in no hole */
static inline uint64_t
berth_holes_rest (const BerthHole *holes, size_t count, uint64_t size)
{
  for (size_t i = 0; i < count; i++)
    size -= holes[i].size;
  return size;
}
