using System.Net;

namespace Paas.Corpus;

/// <summary>What to type after a refusal: where it shows what there is, or how it becomes possible.</summary>
static class NextCommand
{
    public static string? After(HttpStatusCode status, string? detail, Target target) => status switch
    {
        HttpStatusCode.Unauthorized => Login(target.Endpoint),
        HttpStatusCode.Forbidden => "corpus users me",
        HttpStatusCode.NotFound => Listing(detail ?? "", target),
        HttpStatusCode.BadGateway => "corpus listhosts",
        _ => null,
    };

    public static string Login(Uri? endpoint) => $"corpus login {(endpoint is null ? "URL" : endpoint.GetLeftPart(UriPartial.Path).TrimEnd('/'))}";

    /// <summary>The project as it is typed.</summary>
    public static string Named(Target target) => target.Environment is null or "-" ? target.Project ?? "" : $"{target.Environment}/{target.Project}";

    // "There is no such release." and its like are the receiver's one form for what is not there or not to be seen.
    static string? Listing(string detail, Target target)
    {
        var words = detail.TrimEnd('.').Split(' ');
        return words[^1] switch
        {
            "project" => "corpus status",
            "environment" => "corpus environments",
            "host" => "corpus listhosts",
            "user" => "corpus users",
            "role" => "corpus users roles",
            "token" => "corpus tokens",
            "key" => "corpus keys",
            "release" or "more" when target.Project is not null => $"corpus releases {Named(target)}",
            "deployment" when target.Project is not null => $"corpus status {Named(target)}",
            "drain" when target.Project is not null => $"corpus drains {Named(target)}",
            "address" when target.Project is not null => $"corpus domains {Named(target)}",
            "fix" or "patch" when target.Project is not null => $"corpus patches {Named(target)}",
            _ => null,
        };
    }
}
