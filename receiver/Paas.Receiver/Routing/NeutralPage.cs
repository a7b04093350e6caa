namespace Paas.Receiver.Routing;

/// <summary>The router's own answer, where no application gives one.</summary>
static class NeutralPage
{
    /// <summary>Writes the page. An answer that has begun is broken off instead.</summary>
    /// <param name="context">The request.</param>
    /// <param name="status">Its status.</param>
    /// <param name="retryAfter">Seconds, for a visitor who should come again.</param>
    /// <param name="pages">Where the page is from.</param>
    /// <param name="maintenance">It is not there on purpose.</param>
    public static async Task WriteAsync(HttpContext context, int status, int? retryAfter = null, Pages? pages = null, bool maintenance = false)
    {
        var response = context.Response;
        if (response.HasStarted)
        {
            context.Abort();
            return;
        }

        var page = (pages ?? Pages.Plain).Of(status, maintenance);
        response.StatusCode = status;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = page.Length;
        response.Headers.CacheControl = "no-store";
        if (retryAfter is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString();
        }

        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(page);
        }
    }
}
