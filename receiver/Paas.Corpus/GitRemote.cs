using System.ComponentModel;
using System.Diagnostics;

namespace Paas.Corpus;

/// <summary>A git remote of the current directory that leads to a receiver: <c>http(s)://[user:token@]HOST/git/[ENV/]PROJECT.git</c>, or the same over ssh.</summary>
/// <param name="Endpoint">Null for ssh, which says nothing of where the API is.</param>
sealed record GitRemote(string Name, Uri? Endpoint, string? Token, string? Environment, string Project)
{
    /// <summary>The name before the token, or whose password it is.</summary>
    public string? User { get; init; }

    /// <summary>Those of the directory that have such an address; none when it is no work tree or there is no git.</summary>
    public static IReadOnlyList<GitRemote> Of(string directory)
    {
        try
        {
            var start = new ProcessStartInfo("git") { WorkingDirectory = directory, UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var argument in (string[])["config", "--null", "--get-regexp", @"^remote\..*\.url$"])
            {
                start.ArgumentList.Add(argument);
            }

            using var git = Process.Start(start)!;
            git.ErrorDataReceived += (_, _) => { };
            git.BeginErrorReadLine();
            var output = git.StandardOutput.ReadToEnd();
            git.WaitForExit();
            return [.. output.Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(Entry).OfType<GitRemote>()];
        }
        catch (Exception e) when (e is Win32Exception or DirectoryNotFoundException)
        {
            return [];
        }
    }

    static GitRemote? Entry(string entry)
    {
        // git ends the key with a line feed where it ends the entry with NUL.
        var parts = entry.Split('\n', 2);
        return parts.Length == 2 ? Parse(parts[0]["remote.".Length..^".url".Length], parts[1]) : null;
    }

    public static GitRemote? Parse(string name, string url)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https" or "ssh"))
        {
            return null;
        }

        var parts = address.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var overHttp = address.Scheme != "ssh";
        var git = Array.LastIndexOf(parts, "git");
        if (overHttp && git < 0)
        {
            return null;
        }

        var path = overHttp ? parts[(git + 1)..] : parts;
        if (path.Length is < 1 or > 2 || !path[^1].EndsWith(".git", StringComparison.Ordinal) || path[^1] is "pillar.git")
        {
            return null;
        }

        var user = Uri.UnescapeDataString(address.UserInfo).Split(':', 2);
        return new GitRemote(
            name,
            overHttp ? new Uri(address.GetLeftPart(UriPartial.Scheme) + address.Authority + "/" + string.Concat(parts[..git].Select(part => part + "/"))) : null,
            overHttp && user.Length == 2 && user[1].Length > 0 ? user[1] : null,
            path.Length == 2 ? path[0] : null,
            path[^1][..^".git".Length])
        {
            User = user[0].Length > 0 ? user[0] : null,
        };
    }
}
