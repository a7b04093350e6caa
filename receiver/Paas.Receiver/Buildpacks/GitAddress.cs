using System.Text;

namespace Paas.Receiver.Buildpacks;

/// <summary>Where a buildpack is fetched from: <c>https://[user:password@]host/path[.git][#branch, tag or commit]</c>.</summary>
/// <param name="Url">Without who asks: it is shown, and is an argument of git.</param>
/// <param name="Authorization">The value of the header that says who asks; null for nobody.</param>
/// <param name="Ref">Null for the branch that the other side's HEAD names.</param>
sealed record GitAddress(string Url, string? Authorization, string? Ref)
{
    public static GitAddress? TryParse(string text)
    {
        // No other scheme: file: and ssh: would show what the receiver's machine can see, ext: would run anything.
        if (!(text.StartsWith("https://", StringComparison.Ordinal) || text.StartsWith("http://", StringComparison.Ordinal))
            || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || text.Any(c => c <= ' ' || c == '\u007f'))
        {
            return null;
        }

        var who = Uri.UnescapeDataString(uri.UserInfo);
        var wanted = uri.Fragment.TrimStart('#');
        return wanted.StartsWith('-') ? null : new GitAddress(
            uri.GetComponents(UriComponents.SchemeAndServer | UriComponents.PathAndQuery, UriFormat.UriEscaped),
            who.Length == 0 ? null : "Authorization: Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(who.Contains(':', StringComparison.Ordinal) ? who : who + ":")),
            wanted.Length == 0 ? null : Uri.UnescapeDataString(wanted));
    }

    /// <summary>For people: nobody's password in it.</summary>
    public override string ToString() => Ref is null ? Url : $"{Url}#{Ref}";
}
