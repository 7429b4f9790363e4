/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides for libvirt, which calls it before it starts any domain of this host, whether berth has a
 * say in it. Everybody's domains pass here, so it loads nothing and asks nobody: only one that
 * carries berth's template mark goes on to the command, which asks berthd.
 *
 *   berth-hook SCRIPT DOMAIN OPERATION SUBOPERATION EXTRA <XML
 *
 * SCRIPT is /etc/libvirt/hooks/qemu.d/berth, whose interpreter it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is longer is looked at as far as this; libvirt's own XML of a large domain has a hundredth.
 */
#define XML_MAX (4u * 1024u * 1024u)

/* berth's own are marked <berth:vm>, and have passed admission. */
#define MARK_URI "\"urn:berth:domain:1\""
#define MARK_URI_OTHER "'urn:berth:domain:1'"
#define MARK_ELEMENT ":template"

static size_t
read_xml (char *xml)
{
  size_t length = 0;
  ssize_t got = 1;

  while (got > 0 && length < XML_MAX)
    {
      got = read (STDIN_FILENO, xml + length, XML_MAX - length);
      if (got > 0)
        length += (size_t)got;
    }
  return length;
}

/* It may be one that is not: berthd reads it as XML. */
static int
may_be_marked (const char *xml, size_t length)
{
  return memmem (xml, length, MARK_ELEMENT, strlen (MARK_ELEMENT)) != NULL
         && (memmem (xml, length, MARK_URI, strlen (MARK_URI)) != NULL
             || memmem (xml, length, MARK_URI_OTHER, strlen (MARK_URI_OTHER)) != NULL);
}

/* The command reads it anew. */
static int
put_back (const char *xml, size_t length)
{
  int fd = memfd_create ("domain", 0);
  size_t written = 0;

  while (fd >= 0 && written < length)
    {
      ssize_t put = write (fd, xml + written, length - written);

      if (put <= 0)
        return -1;
      written += (size_t)put;
    }
  return fd >= 0 && lseek (fd, 0, SEEK_SET) == 0 ? dup2 (fd, STDIN_FILENO) : -1;
}

/* Whoever can't be asked holds nobody back. */
int
main (int argc, char **argv)
{
  char *xml;
  size_t length;

  if (argc < 5 || strcmp (argv[3], "prepare") != 0 || strcmp (argv[4], "begin") != 0)
    return 0;
  xml = malloc (XML_MAX); /* pages that nothing is written to cost nothing */
  length = xml != NULL ? read_xml (xml) : 0;
  if (xml == NULL || !may_be_marked (xml, length) || put_back (xml, length) < 0)
    {
      free (xml);
      return 0;
    }
  execl (BERTH_COMMAND, "berth", "domain", "admit", (char *)NULL);
  fprintf (stderr, "berth: %s can't be run, so nobody counts this domain\n", BERTH_COMMAND);
  free (xml);
  return 0;
}
