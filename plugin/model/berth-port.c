/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads where a port is to be reached, and listens there. */
#include "plugin/model/berth-port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "pool/berth-error.h"

#define BACKLOG 128
#define UNIX_PREFIX "unix:"

typedef union
{
  struct sockaddr any;
  struct sockaddr_in four;
  struct sockaddr_in6 six;
  struct sockaddr_un local;
} Address;

static BerthPortPlace *
refuse (const char *text, GError **error)
{
  g_set_error (
      error, BERTH_ERROR, BERTH_ERROR_INVALID,
      "'%.120s' is no port: give PORT, LOCAL:PORT, ADDRESS:PORT, ADDRESS:LOCAL:PORT or "
      "unix:PATH:PORT; ports are 1 to 65535, an ADDRESS is in numbers, of IPv6 in brackets",
      text);
  return NULL;
}

static gboolean
parse_number (const char *text, guint *out_number)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &number, NULL))
    return FALSE;
  *out_number = (guint)number;
  return TRUE;
}

/* Takes the address off the front, where one stands there. FALSE: it is none. */
static gboolean
take_address (BerthPortPlace *self, char **text)
{
  char *end = **text == '[' ? strstr (*text, "]:") : strchr (*text, ':');
  struct in6_addr six;
  struct in_addr four;
  guint number;

  if (end == NULL)
    return **text != '[';
  if (**text != '[')
    {
      g_autofree char *word = g_strndup (*text, (gsize)(end - *text));

      if (parse_number (word, &number) && strchr (word, '.') == NULL)
        return TRUE; /* it is LOCAL */
      self->address
          = g_str_equal (word, "localhost") ? g_strdup ("127.0.0.1") : g_steal_pointer (&word);
      *text = end + 1;
      return inet_pton (AF_INET, self->address, &four) == 1;
    }
  self->address = g_strndup (*text + 1, (gsize)(end - *text) - 1);
  *text = end + 2;
  return inet_pton (AF_INET6, self->address, &six) == 1;
}

static gboolean
parse_tcp (BerthPortPlace *self, char *text)
{
  char *colon;

  if (!take_address (self, &text))
    return FALSE;
  colon = strchr (text, ':');
  if (colon == NULL)
    return parse_number (text, &self->port);
  *colon = '\0';
  return (*text == '\0' || parse_number (text, &self->local))
         && parse_number (colon + 1, &self->port);
}

static gboolean
parse_unix (BerthPortPlace *self, const char *text)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *copy = NULL;

  if (colon == NULL || colon == text)
    return FALSE;
  copy = g_strndup (text, (gsize)(colon - text));
  self->path = g_canonicalize_filename (copy, NULL);
  return strlen (self->path) < sizeof ((struct sockaddr_un *)NULL)->sun_path
         && parse_number (colon + 1, &self->port);
}

BerthPortPlace *
berth_port_place_parse (const char *text, GError **error)
{
  g_autoptr (BerthPortPlace) self = g_new0 (BerthPortPlace, 1);
  g_autofree char *copy = g_strdup (text);
  gboolean is_unix = g_str_has_prefix (text, UNIX_PREFIX);

  if (is_unix ? parse_unix (self, text + strlen (UNIX_PREFIX)) : parse_tcp (self, copy))
    return g_steal_pointer (&self);
  return refuse (text, error);
}

void
berth_port_place_free (BerthPortPlace *self)
{
  if (self == NULL)
    return;
  g_free (self->path);
  g_free (self->address);
  g_free (self);
}

gboolean
berth_port_place_matches (const BerthPortPlace *self, guint port, const char *address)
{
  g_autofree char *front = NULL;
  g_autofree char *back = g_strdup_printf (":%u", self->local);

  if (port != self->port)
    return FALSE;
  if (self->path != NULL)
    return g_str_has_prefix (address, UNIX_PREFIX)
           && g_str_equal (address + strlen (UNIX_PREFIX), self->path);
  if (self->local == 0 && self->address == NULL)
    return TRUE;
  if (self->address != NULL)
    front = g_strdup_printf (strchr (self->address, ':') != NULL ? "[%s]:" : "%s:", self->address);
  return !g_str_has_prefix (address, UNIX_PREFIX)
         && (front == NULL || g_str_has_prefix (address, front))
         && (self->local == 0 || g_str_has_suffix (address, back));
}

/* Its size; 0: the path is too long */
static socklen_t
fill_address (const BerthPortPlace *self, Address *out_address)
{
  const char *text = self->address != NULL ? self->address : "127.0.0.1";

  memset (out_address, 0, sizeof *out_address);
  if (self->path != NULL)
    {
      out_address->local.sun_family = AF_UNIX;
      g_strlcpy (out_address->local.sun_path, self->path, sizeof out_address->local.sun_path);
      return sizeof out_address->local;
    }
  if (inet_pton (AF_INET, text, &out_address->four.sin_addr) == 1)
    {
      out_address->four.sin_family = AF_INET;
      out_address->four.sin_port = htons ((guint16)self->local);
      return sizeof out_address->four;
    }
  inet_pton (AF_INET6, text, &out_address->six.sin6_addr);
  out_address->six.sin6_family = AF_INET6;
  out_address->six.sin6_port = htons ((guint16)self->local);
  return sizeof out_address->six;
}

/* The socket that an earlier one left behind: only a socket is, to which nobody answers. */
static gboolean
is_left_behind (const Address *address, socklen_t size)
{
  struct stat about;
  gboolean is_left;
  int fd;

  /* a file of another kind refuses who connects to it, too */
  if (lstat (address->local.sun_path, &about) != 0 || !S_ISSOCK (about.st_mode))
    return FALSE;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  is_left = fd >= 0 && connect (fd, &address->any, size) != 0 && errno == ECONNREFUSED;

  if (fd >= 0)
    close (fd);
  return is_left;
}

static gboolean
bind_there (int fd, const Address *address, socklen_t size)
{
  if (bind (fd, &address->any, size) == 0)
    return TRUE;
  if (address->any.sa_family != AF_UNIX || errno != EADDRINUSE)
    return FALSE;
  if (!is_left_behind (address, size))
    {
      errno = EADDRINUSE;
      return FALSE;
    }
  return unlink (address->local.sun_path) == 0 && bind (fd, &address->any, size) == 0;
}

static void
set_listen_error (const BerthPortPlace *self, int code, GError **error)
{
  g_autofree char *place
      = self->path != NULL
            ? g_strconcat (UNIX_PREFIX, self->path, NULL)
            : g_strdup_printf ("%s port %u", self->address != NULL ? self->address : "127.0.0.1",
                               self->local);
  const char *remedy = self->path != NULL ? "give another path"
                                          : "give another LOCAL port, or none for a free one";

  g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL, "can't listen at %s: %s; %s", place,
               g_strerror (code), remedy);
}

int
berth_port_place_listen (const BerthPortPlace *self, GError **error)
{
  const int on = 1;
  Address address;
  socklen_t size = fill_address (self, &address);
  int fd = socket (address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd >= 0 && self->path == NULL)
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd >= 0 && bind_there (fd, &address, size) && listen (fd, BACKLOG) == 0)
    return fd;
  set_listen_error (self, errno, error);
  if (fd >= 0)
    close (fd);
  return -1;
}

char *
berth_port_dup_address (int fd)
{
  char text[INET6_ADDRSTRLEN] = "";
  Address address;
  socklen_t size = sizeof address;

  memset (&address, 0, sizeof address);
  if (getsockname (fd, &address.any, &size) != 0)
    return g_strdup ("");
  switch (address.any.sa_family)
    {
    case AF_INET:
      inet_ntop (AF_INET, &address.four.sin_addr, text, sizeof text);
      return g_strdup_printf ("%s:%u", text, ntohs (address.four.sin_port));
    case AF_INET6:
      inet_ntop (AF_INET6, &address.six.sin6_addr, text, sizeof text);
      return g_strdup_printf ("[%s]:%u", text, ntohs (address.six.sin6_port));
    default:
      {
        g_autofree char *path = g_strndup (address.local.sun_path, sizeof address.local.sun_path);
        g_autofree char *printable = g_utf8_make_valid (path, -1);

        return *printable == '\0' ? g_strdup ("") : g_strconcat (UNIX_PREFIX, printable, NULL);
      }
    }
}

static void
listener_clear (gpointer data)
{
  BerthListener *listener = data;

  if (listener->fd >= 0)
    berth_caller_fd_close (listener->fd);
}

GArray *
berth_listeners_new (void)
{
  GArray *self = g_array_new (FALSE, FALSE, sizeof (BerthListener));

  g_array_set_clear_func (self, listener_clear);
  return self;
}

static gboolean
listen_one (const char *text, GUnixFDList *fds, GVariantBuilder *ports, GVariantBuilder *told,
            GError **error)
{
  g_autoptr (BerthPortPlace) place = berth_port_place_parse (text, error);
  g_autofree char *address = NULL;
  int fd = place != NULL ? berth_port_place_listen (place, error) : -1;
  int index;

  if (fd < 0)
    return FALSE;
  address = berth_port_dup_address (fd);
  index = g_unix_fd_list_append (fds, fd, error);
  close (fd);
  if (index < 0)
    return FALSE;
  g_variant_builder_add (ports, "(hu)", index, place->port);
  g_variant_builder_open (told, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (told, "{sv}", "port", g_variant_new_uint32 (place->port));
  g_variant_builder_add (told, "{sv}", "address", g_variant_new_string (address));
  g_variant_builder_close (told);
  return TRUE;
}

GVariant *
berth_port_listen_all (const char *const *texts, GUnixFDList *fds, GVariant **out_told,
                       GError **error)
{
  g_auto (GVariantBuilder) ports = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(hu)"));
  g_auto (GVariantBuilder) told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; texts[i] != NULL; i++)
    if (!listen_one (texts[i], fds, &ports, &told, error))
      return NULL;
  *out_told = g_variant_builder_end (&told);
  return g_variant_builder_end (&ports);
}
