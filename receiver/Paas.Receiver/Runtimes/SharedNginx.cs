using System.Globalization;
using System.Text.RegularExpressions;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// Strategy 2 (RT-07 to RT-09): folders of files and PHP applications on one nginx of the receiver's own, each on its own port. A folder's process only carries its log; a PHP
/// application's is PHP-FPM, in the same cage as any process of its release. What the tree says of itself is data: it becomes configuration through <c>static.pl</c> alone.
/// </summary>
/// <param name="sites">The text of <c>buildpacks/lib/static.pl</c>.</param>
sealed partial class SharedNginx(NginxDaemon daemon, Func<string> sites, TimeProvider time) : IRuntime
{
    public const string Static = "static";
    public const string Php = "php";
    const int LargestLog = 10_000_000;

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    // Errors of this site alone; truncated before they fill the disk. What nginx appends to belongs to nobody else, and no code of the project runs in this cage.
    const string CarryLog = """
        mkdir -p /tmp/web && : >/tmp/web/errors && chmod 622 /tmp/web/errors && : >/tmp/web/ready || exit 1
        tail -q -n +1 -F /tmp/web/errors 2>/dev/null &
        trap 'kill $!; exit 0' TERM
        while :; do
            sleep 60 &
            wait $!
            [ "$(stat -c %s /tmp/web/errors)" -lt LIMIT ] || : >/tmp/web/errors
        done
        """;

    const string Pool = """
        user=$(id -un) flag=
        [ "$(id -u)" -ne 0 ] || flag=-R
        mkdir -p /tmp/web || exit 1
        {
            printf '[global]\nerror_log = /proc/self/fd/2\ndaemonize = no\nprocess_control_timeout = 20\n[www]\n'
            [ -z "$flag" ] || printf 'user = %s\n' "$user"
            printf 'listen = /tmp/web/fpm.sock\nlisten.mode = 0666\npm = ondemand\npm.max_children = %s\nclear_env = no\ncatch_workers_output = yes\ndecorate_workers_output = no\n' "${PAAS_PHP_WORKERS:-5}"
            printf 'chdir = "%s"\n' "$PWD/$ROOT"
        } >/tmp/web/fpm.conf
        fpm=$(ls /usr/sbin/php-fpm* 2>/dev/null | sort | tail -n 1)
        [ -n "$fpm" ] || { echo "there is no PHP-FPM on this machine" >&2; exit 1; }
        exec 2> >(exec cat >&2)
        "$fpm" -F $flag -y /tmp/web/fpm.conf &
        trap 'kill -QUIT $!; wait $!; exit 0' TERM INT
        until [ -S /tmp/web/fpm.sock ]; do kill -0 $! 2>/dev/null || exit 1; sleep 0.01; done
        : >/tmp/web/ready
        wait $!
        """;

    public string Name => Served.Nginx;

    /// <summary>What of a release the shared daemon can serve in a process's place; null for every other program.</summary>
    /// <param name="release">Its tree.</param>
    public static Served? Of(ProcessType type, string release)
    {
        var match = Serve().Match(type.Command);
        if (!type.Web || !match.Success)
        {
            return null;
        }

        var (kind, folder) = (match.Groups["kind"].Value, match.Groups["folder"].Value);
        var wish = Path.Combine(release, ".paas", kind, kind == Php ? "root" : "site");
        var said = folder.Length > 0 ? [folder, "pages"] : File.Exists(wish) && new FileInfo(wish) is { Length: < 4096, LinkTarget: null } ? File.ReadAllText(wish).Split('\n') : [];
        return said is [var root, ..] && Folder().IsMatch(root) && !root.Split('/').Contains("..", StringComparer.Ordinal)
            ? new Served(Served.Nginx, kind, root, SinglePage: said.Length > 1 && said[1] == "spa") : null;
    }

    public string CommandOf(ProcessType type) => type.Served!.Kind == Php
        ? $"export ROOT={Manifests.ShellWords.Quote(type.Served.Folder)}; exec /bin/bash -c {Manifests.ShellWords.Quote(Pool)}"
        : $"exec /bin/sh -c {Manifests.ShellWords.Quote(CarryLog.Replace("LIMIT", LargestLog.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))}";

    public async Task<IInstance> ServeAsync(Instance process, IRuntime.Place place)
    {
        var ready = Path.Combine(place.Temporary, "web", "ready");
        var begun = time.GetTimestamp();
        while (!File.Exists(ready) && !process.Gone.IsCompleted && time.GetElapsedTime(begun) < place.Launch.StartTimeout)
        {
            await Task.WhenAny(process.Gone, Task.Delay(Pause, time));
        }

        // One that ended already is an instance all the same: its log says why.
        if (File.Exists(ready))
        {
            var served = place.Type.Served!;
            await daemon.AddAsync(new NginxSite(process.Id, process.Port!.Value, place.Launch.Directory, place.Launch.Project.Data, Path.Combine(place.Temporary, "web")), served.Kind == Php
                ? (house => Task.FromResult(PhpSite(house, process.Port.Value, served.Folder, place.Run)))
                : house => StaticSiteAsync(house, process, served));
        }

        return new SharedInstance(process, daemon, time);
    }

    public async Task<IInstance?> TryAdoptAsync(Instance process) => await daemon.TryKeepAsync(process.Id) ? new SharedInstance(process, daemon, time) : null;

    public Task SettleAsync() => daemon.SettleAsync();

    async Task<string> StaticSiteAsync(string house, Instance process, Served served)
    {
        var written = await daemon.RunAsync(["/usr/bin/perl", "-", served.Folder, served.SinglePage ? "spa" : "pages", process.Id.Replace('-', '_')], Path.Combine(house, "run"), sites());
        return written.ExitCode != 0 ? throw new IOException(written.Error.Trim())
            : written.Output.Replace("@TOP@", Path.Combine(house, "run"), StringComparison.Ordinal)
                .Replace("@PORT@", process.Port!.Value.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
                .Replace("    server {\n", $"    server {{\n        error_log \"{house}/web/errors\" error;\n        log_not_found off;\n", StringComparison.Ordinal);
    }

    /// <param name="house">As nginx sees the site.</param>
    /// <param name="run">As PHP-FPM sees the release.</param>
    static string PhpSite(string house, int port, string folder, string run) => PhpServer(house, port, folder == "." ? "" : "/" + folder.Trim('/'), run);

    static string PhpServer(string house, int port, string folder, string run) => $$"""
            server {
                listen 127.0.0.1:{{port}};
                root "{{house}}/run{{folder}}";
                index index.php index.html;
                log_not_found off;
                location ~ "/\.(?!well-known/)" { return 404; }
                location ~ "^/(composer\.(json|lock)|Procfile|app\.json|manifest\.yml|vendor/)" { return 404; }
                location / { try_files $uri $uri/ /index.php$is_args$args; }
                location ~ "\.php$" {
                    try_files $uri =404;
                    fastcgi_pass "unix:{{house}}/web/fpm.sock";
                    fastcgi_read_timeout 300;
                    fastcgi_param SCRIPT_FILENAME "{{run}}{{folder}}$fastcgi_script_name";
                    fastcgi_param DOCUMENT_ROOT "{{run}}{{folder}}";
                    fastcgi_param QUERY_STRING $query_string;
                    fastcgi_param REQUEST_METHOD $request_method;
                    fastcgi_param CONTENT_TYPE $content_type;
                    fastcgi_param CONTENT_LENGTH $content_length;
                    fastcgi_param SCRIPT_NAME $fastcgi_script_name;
                    fastcgi_param REQUEST_URI $request_uri;
                    fastcgi_param DOCUMENT_URI $document_uri;
                    fastcgi_param SERVER_PROTOCOL $server_protocol;
                    fastcgi_param REQUEST_SCHEME $scheme;
                    fastcgi_param HTTPS $https if_not_empty;
                    fastcgi_param GATEWAY_INTERFACE CGI/1.1;
                    fastcgi_param SERVER_SOFTWARE nginx;
                    fastcgi_param REMOTE_ADDR $remote_addr;
                    fastcgi_param REMOTE_PORT $remote_port;
                    fastcgi_param SERVER_ADDR $server_addr;
                    fastcgi_param SERVER_PORT $server_port;
                    fastcgi_param SERVER_NAME $host;
                    fastcgi_param REDIRECT_STATUS 200;
                }
            }

        """;

    [GeneratedRegex("""^(?:exec )?\.paas/(?<kind>static|php)/serve(?: '?(?<folder>[A-Za-z0-9._/-]+)'?)?\z""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Serve();

    [GeneratedRegex("""^[A-Za-z0-9._-][A-Za-z0-9._/-]*\z""", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Folder();
}
