using System.Text;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Runtimes;

/// <summary>One of the sites that share a daemon; kept beside its configuration, so that the site comes back after the daemon or the receiver ended.</summary>
/// <param name="Release">The host's path of what is served.</param>
/// <param name="Web">The host's path of a directory that the instance's process shares with the daemon.</param>
sealed record NginxSite(string Id, int Port, string Release, string Data, string Web);

/// <summary>What a <see cref="NginxDaemon"/> reads.</summary>
static class NginxFiles
{
    /// <summary>The daemon's configuration with these sites.</summary>
    /// <param name="seen">Where nginx finds <c>conf</c> and <c>work</c>.</param>
    public static string All(string seen, IEnumerable<string> ids) => $$"""
        daemon on;
        worker_processes auto;
        worker_shutdown_timeout 300;
        events { worker_connections 4096; }
        http {
            client_body_temp_path "{{seen}}/var/body"; proxy_temp_path "{{seen}}/var/proxy"; fastcgi_temp_path "{{seen}}/var/fastcgi";
            uwsgi_temp_path "{{seen}}/var/uwsgi"; scgi_temp_path "{{seen}}/var/scgi";
            include /etc/nginx/mime.types;
            default_type application/octet-stream;
            charset utf-8;
            access_log off;
            sendfile on;
            tcp_nopush on;
            keepalive_timeout 75;
            server_tokens off;
            port_in_redirect off;
            absolute_redirect off;
            client_max_body_size 0;
            disable_symlinks if_not_owner from=$document_root;
            gzip on;
            gzip_static on;
            gzip_vary on;
            gzip_proxied any;
            gzip_types text/css text/plain text/xml application/javascript text/javascript application/json application/xml image/svg+xml application/manifest+json application/wasm;
            geo $dollar { default "$"; }
        {{string.Concat(ids.Select(id => $"    include \"{seen}/conf/{id}.conf\";\n"))}}}

        """;

    /// <summary>Whole or not at all, for nginx to read. None of it outlives the machine's next start, so it is not flushed to disk.</summary>
    public static void Write(string path, string text)
    {
        using (var file = new FileStream(path + ".new", FileMode.Create, FileAccess.Write))
        {
            file.Write(Encoding.UTF8.GetBytes(text));
        }

        File.SetUnixFileMode(path + ".new", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        AtomicFile.Rename(path + ".new", path);
    }
}
