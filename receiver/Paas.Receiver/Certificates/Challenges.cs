using System.Collections.Concurrent;

namespace Paas.Receiver.Certificates;

/// <summary>What is shown at <c>/.well-known/acme-challenge/</c> of every name while a certificate is being ordered; before any route, redirect or password.</summary>
sealed class Challenges
{
    const string Place = "/.well-known/acme-challenge/";

    readonly ConcurrentDictionary<string, string> shown = new(StringComparer.Ordinal);

    /// <summary>Until the answer is disposed of.</summary>
    public IDisposable Show(string token, string answer)
    {
        shown[token] = answer;
        return new Shown(this, token);
    }

    /// <summary>True when the request was for one and is answered. An application that answers its own challenges still can.</summary>
    public async ValueTask<bool> TryAnswerAsync(HttpContext context)
    {
        if (shown.IsEmpty || context.Request.Path.Value is not { } path || !path.StartsWith(Place, StringComparison.Ordinal) || !shown.TryGetValue(path[Place.Length..], out var answer))
        {
            return false;
        }

        context.Response.ContentType = "application/octet-stream";
        await context.Response.WriteAsync(answer);
        return true;
    }

    sealed class Shown(Challenges challenges, string token) : IDisposable
    {
        public void Dispose() => challenges.shown.TryRemove(token, out _);
    }
}
