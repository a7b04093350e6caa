using System.Text;

namespace Paas.Receiver.Routing;

/// <summary>What a visitor sees when no application answers: short, plain, and silent about the machine behind it.</summary>
static class NeutralPage
{
    /// <summary>Writes the page. An answer that has begun is broken off instead.</summary>
    /// <param name="context">The request.</param>
    /// <param name="status">Its status.</param>
    /// <param name="retryAfter">Seconds, for a visitor who should come again.</param>
    public static async Task WriteAsync(HttpContext context, int status, int? retryAfter = null)
    {
        var response = context.Response;
        if (response.HasStarted)
        {
            context.Abort();
            return;
        }

        var (title, text) = status switch
        {
            StatusCodes.Status404NotFound => ("Not found", "There is no application at this address."),
            StatusCodes.Status413PayloadTooLarge => ("Too large", "The request is larger than is accepted here."),
            StatusCodes.Status502BadGateway => ("No answer", "The application did not answer. Its owner can find the reason in its log."),
            StatusCodes.Status503ServiceUnavailable => ("One moment", "The application is starting. Please try again in a moment."),
            StatusCodes.Status504GatewayTimeout => ("No answer in time", "The application took too long to answer."),
            _ => ("Not possible", "The request cannot be answered."),
        };
        var page = Encoding.UTF8.GetBytes($"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{status} {title}</title><h1>{title}</h1><p>{text}</p></html>\n");
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
