using Microsoft.AspNetCore.Http.Extensions;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>
/// Lists in parts: <c>?limit=N&amp;cursor=TEXT</c>. What follows is asked for by the cursor in <c>next</c>, or by the whole address in the header <c>Link</c> with <c>rel="next"</c> (RFC 8288). A cursor
/// is the last thing that was seen, so nothing is told twice or left out when the list grows meanwhile.
/// </summary>
static class Paging
{
    public const int Most = 1000;

    /// <summary>The limit that was asked for, or this one.</summary>
    /// <exception cref="ProblemException">It is none.</exception>
    public static int Limit(int? asked, int otherwise) => asked switch
    {
        null => otherwise,
        >= 1 and <= Most => asked.Value,
        _ => throw new ProblemException(StatusCodes.Status400BadRequest, $"limit is a number from 1 to {Most}."),
    };

    /// <summary>A part of what was read with room for one more than the limit.</summary>
    /// <param name="oneMore">At most one more than <paramref name="limit"/>; that one says that there is more.</param>
    /// <param name="cursor">What asks for those after an item.</param>
    public static Page<T> Of<T>(HttpContext context, IReadOnlyList<T> oneMore, int limit, Func<T, string> cursor, IReadOnlyList<string>? missing = null)
    {
        if (oneMore.Count <= limit)
        {
            return new Page<T>(oneMore, Missing: missing);
        }

        var next = cursor(oneMore[limit - 1]);
        var query = new QueryBuilder(context.Request.Query.Where(pair => pair.Key is not ("cursor" or "limit"))) { { "limit", $"{limit}" }, { "cursor", next } };
        context.Response.Headers.Link = $"<{context.Request.PathBase}{context.Request.Path.ToUriComponent()}{query.ToQueryString()}>; rel=\"next\"";
        return new Page<T>([.. oneMore.Take(limit)], next, missing);
    }

    /// <summary>For a cursor that is no list's.</summary>
    public static ProblemException Unknown() => new(StatusCodes.Status400BadRequest, "cursor is not one that this list gave.");
}
